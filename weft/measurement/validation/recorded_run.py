"""What was recorded of a server: its set-up, and requests, steps or points."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from weft.measurement.validation.facts import RunFacts


class RecordedRequest(NamedTuple):
    """A request of an open loop, in seconds. `arrival_s`: on the run's own clock. `e2e_s`: from the arrival to the last
    token. `prefix_hashes`: one per block of its prompt, equal where content and all before it are; None: unknown."""

    arrival_s: float
    input_tokens: int
    output_tokens: int
    ttft_s: float
    e2e_s: float
    prefix_hashes: tuple[int, ...] | None = None

    @property
    def tpot_s(self) -> float | None:
        """Mean time per output token after the first; None where there is no second."""
        later = self.output_tokens - 1
        return (self.e2e_s - self.ttft_s) / later if later else None


class RecordedStep(NamedTuple):
    """A step of a scheduler. `duration_s`: from its beginning to that of the next. `context_tokens`: of all sequences
    in it together, those of this step among them."""

    start_s: float
    duration_s: float
    prefill_tokens: int
    prefill_sequences: int
    decode_sequences: int
    context_tokens: int


class RecordedPoint(NamedTuple):
    """A closed loop: `concurrency` clients that each send a request as soon as the one before is answered; means."""

    input_tokens: int
    output_tokens: int
    concurrency: int
    ttft_s: float
    tpot_s: float


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One directory. `name`: its path below the directory that was given. Of `requests`, `steps` and `points` one is
    not empty."""

    name: str
    path: Path
    facts: RunFacts
    requests: tuple[RecordedRequest, ...] = ()
    steps: tuple[RecordedStep, ...] = ()
    points: tuple[RecordedPoint, ...] = ()

    @property
    def kind(self) -> str:
        """requests, steps or points."""
        return "requests" if self.requests else "steps" if self.steps else "points"

    @property
    def num_records(self) -> int:
        """Of whatever kind."""
        return len(self.requests) + len(self.steps) + len(self.points)
