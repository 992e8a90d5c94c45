"""What a validation on this machine is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.measurement.calibration import CalibrationSettings


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What is run.

    `directory`: of the model. `serving`: fields of `ServingOptions` that are given, by name. `loads`: shares of the
    measured knee. `num_runs`: of each load, live and simulated in turns. `duration_s`: of arrivals in each.
    `divisor`: of all lengths of the workload. `seed`: of the workload; each run of a load has one of its own.
    """

    directory: Path
    serving: Mapping[str, Any] = field(default_factory=dict)
    workload: str = "azure-conv"
    loads: tuple[float, ...] = (0.4, 0.7, 0.9)
    num_runs: int = 5
    duration_s: float = 60.0
    divisor: int = 8
    seed: int = 0
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)

    def __post_init__(self) -> None:
        for load in self.loads:
            if not 0.0 < load <= 2.0:
                raise ConfigurationError(
                    f"a load is {load:g}; give shares of the knee, above 0 and at most 2"
                )
        if not self.loads:
            raise ConfigurationError("there are no loads; give at least one share of the knee, such as 0.7")
        for name, least in (("num_runs", 1), ("divisor", 1)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if not self.duration_s > 0.0:
            raise ConfigurationError(f"duration_s is {self.duration_s:g}; it must be above 0")
