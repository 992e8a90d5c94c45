"""Sequences and engines as policies see them, made by hand."""

from dataclasses import dataclass, field

from weft.contracts.events import Status
from weft.contracts.policies import Rank, SequenceView
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams


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
    num_blocks: int = 1

    @property
    def request(self) -> Request:
        return Request(
            f"r{self.number}", LengthPrompt(10), SamplingParams(max_tokens=4), priority=self.priority
        )


@dataclass
class Replica:
    """An engine."""

    max_step_tokens: int = 100
    num_standing: int = 0
    running: list[SequenceView] = field(default_factory=list)
    num_waiting: int = 0
    host_has_room: bool = False

    @property
    def num_running(self) -> int:
        return len(self.running)

    def can_swap(self, sequence: SequenceView) -> bool:
        return self.host_has_room
