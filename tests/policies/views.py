"""Sequences and engines as policies see them, made by hand."""

from dataclasses import dataclass, field

from weft.contracts.events import Status
from weft.contracts.policies import Rank, SequenceView
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams, Slo


@dataclass(frozen=True)
class Seen:
    """A sequence."""

    number: int
    arrival_s: float = 0.0
    priority: int = 0
    rank: Rank = ()
    status: Status = Status.RUNNING
    num_known: int = 10
    num_computed: int = 9
    num_output_tokens: int = 0
    num_stay_tokens: int = 0
    num_blocks: int = 1
    prompt_tokens: int = 10
    max_tokens: int = 4
    tenant: str = "default"
    slo: Slo | None = None

    @property
    def request(self) -> Request:
        return Request(
            f"r{self.number}",
            LengthPrompt(self.prompt_tokens),
            SamplingParams(max_tokens=self.max_tokens),
            priority=self.priority,
            tenant=self.tenant,
            slo=self.slo,
        )


@dataclass
class Replica:
    """An engine."""

    max_step_tokens: int = 100
    num_standing: int = 0
    running: list[SequenceView] = field(default_factory=list)
    waiting: list[SequenceView] = field(default_factory=list)
    max_running: int = 8
    num_blocks: int = 64
    cached: dict[int, int] = field(default_factory=dict)
    host_has_room: bool = False

    @property
    def num_running(self) -> int:
        return len(self.running)

    @property
    def num_waiting(self) -> int:
        return len(self.waiting)

    def num_cached(self, sequence: SequenceView) -> int:
        return self.cached.get(sequence.number, 0)

    def can_swap(self, sequence: SequenceView) -> bool:
        return self.host_has_room
