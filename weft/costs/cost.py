"""What a cost model is asked, and what it answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from weft.model_specs.operations import Operation


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How the devices run: `frequency_hz` None is their highest clock, `power_cap_watts` None is no cap."""

    frequency_hz: float | None = None
    power_cap_watts: float | None = None


FULL_SPEED = DeviceState()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one pass. `seconds`: from its beginning to its end, through all stages of a pipeline.

    `stage_seconds`: of each stage alone; the slowest of them bounds how soon the next pass can follow. `joules`: of
    all devices of one copy, None where no source states their power. `link_bytes`: by the link's name, bytes that one
    device sends, added up over the stages. `relative_error`: how far from `seconds`, as a share of it, four fifths of
    what was measured lay at most; None where nothing was. `profile`: what the prediction rests on.
    """

    seconds: float
    stage_seconds: tuple[float, ...]
    joules: float | None
    link_bytes: Mapping[str, float]
    relative_error: float | None
    profile: str


class CostModel(Protocol):
    """Predicts the cost of a pass from its operations."""

    def predict(self, operations: Iterable[Operation], device_state: DeviceState = FULL_SPEED) -> Cost:
        """Raises `ConfigurationError` for what the model cannot tell."""
