"""The decisions a scheduler delegates, and what a policy may see.

A policy is deterministic. Its state changes only in `observe`; `decide` changes nothing. One that needs
randomness takes a seeded `random.Random` when it is made. No view tells how long an output will be.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from math import inf
from typing import ClassVar, NamedTuple, Protocol

from weft.contracts.events import Event, Status
from weft.contracts.requests import Request
from weft.contracts.steps import Draft

Rank = tuple[float, ...]
"""Order of service: the smallest first. Equal ranks are served by arrival."""


class SequenceView(Protocol):
    """What a policy sees of a sequence. `number` grows with arrival and is never used twice."""

    @property
    def number(self) -> int: ...
    @property
    def request(self) -> Request: ...
    @property
    def status(self) -> Status: ...
    @property
    def arrival_s(self) -> float: ...
    @property
    def rank(self) -> Rank: ...
    @property
    def num_known(self) -> int:
        """Tokens of prompt and output known so far; steps under way are counted as done."""

    @property
    def num_computed(self) -> int:
        """Units whose state is held; steps under way are counted as done."""

    @property
    def num_output_tokens(self) -> int: ...
    @property
    def num_stay_tokens(self) -> int:
        """Output tokens since it was last let in."""

    @property
    def num_blocks(self) -> int:
        """Device blocks in its tables, over all state groups."""


class EngineView(Protocol):
    """What a policy sees of a replica."""

    @property
    def max_step_tokens(self) -> int:
        """The token budget of one step."""

    @property
    def num_standing(self) -> int:
        """Sequences that decode one token per step."""

    @property
    def running(self) -> Iterable[SequenceView]:
        """Sequences that hold a row, in order of admission."""

    @property
    def num_running(self) -> int: ...
    @property
    def max_running(self) -> int:
        """The most sequences that run at once."""

    @property
    def waiting(self) -> Sequence[SequenceView]:
        """Sequences in the queue, in order of service."""

    @property
    def num_waiting(self) -> int:
        """Sequences in the queue, preempted ones included."""

    @property
    def num_blocks(self) -> int:
        """Device blocks, over all state groups."""

    def num_cached(self, sequence: SequenceView) -> int:
        """Tokens at the beginning of a sequence that waits whose state is cached now."""

    def can_swap(self, sequence: SequenceView) -> bool:
        """Whether the host tier has room for the state of a sequence."""


class Rerank(NamedTuple):
    """When a ranking may change by itself: not before `at_s` on the loop's clock."""

    at_s: float


ON_EVENT = Rerank(inf)
"""Ranks of queued sequences change only when `observe` raises the policy's `revision`."""
EVERY_STEP = Rerank(-inf)


class Policy(Protocol):
    """Common to all kinds. `observes` lists the event types that `observe` wants."""

    observes: ClassVar[tuple[type, ...]] = ()

    def observe(self, event: Event) -> None:
        """Learn what happened; the only place where a policy's state changes."""
        return


class OrderPolicy(Policy, Protocol):
    """Who runs next.

    `rerank` declares when ranks may change; the engine asks no oftener. A policy whose `observe` changes
    the ranks of sequences already queued raises `revision`. `displaces`: whether those that run may have to give way
    to those that wait.
    """

    rerank: Rerank = ON_EVENT
    revision: int = 0
    displaces: ClassVar[bool] = False

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        """The rank of one sequence that waits."""

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        """Who of `candidates` (in order of admission) gives way to `head`, the first of those that wait.

        Asked before a step, only where `displaces`, where `head` found no row or no blocks, and where nobody who gave
        way before still holds blocks. Candidates have got a token since they were let in, so that every stay brings
        work forward, whatever a policy does.
        """
        return ()


class StepBudget(NamedTuple):
    """How a step's tokens are shared.

    `prefill_tokens`: the most units given to sequences that do not stand yet. `admit`: whether sequences
    may leave the queue. `chunk`: whether a prompt may be split over steps. `mix`: whether standing
    sequences advance in a step that also computes prompts.
    """

    prefill_tokens: int
    admit: bool
    chunk: bool
    mix: bool


class BudgetPolicy(Policy, Protocol):
    """How prompts and decoding share a step."""

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        """The shares of the next step."""


class PreemptionMethod(Enum):
    """What becomes of a preempted sequence's state."""

    RECOMPUTE = "recompute"
    SWAP = "swap"


class Preemption(NamedTuple):
    """Who loses its blocks, and how it will get its state back."""

    sequence: SequenceView
    method: PreemptionMethod


class PreemptPolicy(Policy, Protocol):
    """Who gives way when blocks run out."""

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        """The victim among `candidates` (in order of admission, never empty), the needy one included."""


class BlocksCached(NamedTuple):
    """Blocks whose content can be found from now on: those of a request from index `first` of its sequence on."""

    blocks: Sequence[int]
    request: Request
    first: int


class BlocksIdled(NamedTuple):
    """Cached blocks that no sequence holds any more, the first to be forgotten first."""

    blocks: Sequence[int]


class BlocksReused(NamedTuple):
    """Idle blocks that a sequence holds again."""

    blocks: Sequence[int]


class BlocksEvicted(NamedTuple):
    """Idle blocks whose content was given up."""

    blocks: Sequence[int]


BlockEvent = BlocksCached | BlocksIdled | BlocksReused | BlocksEvicted
RetainEvent = BlockEvent | Event


class RetainPolicy(Protocol):
    """Which cached blocks to keep. One instance serves one pool and hears of that pool's blocks only.

    It is told of idle blocks always, of `BlocksCached` and of the engine's events where `observes` lists them.
    """

    observes: ClassVar[tuple[type, ...]] = ()

    def observe(self, event: RetainEvent) -> None:
        """Learn what happened; the only place where a policy's state changes."""

    def decide(self, count: int) -> Sequence[int]:
        """`count` different idle blocks to give up."""


class DraftPolicy(Policy, Protocol):
    """Which tokens to guess."""

    def decide(self, sequence: SequenceView, tokens: Sequence[int], now_s: float) -> Draft | None:
        """A draft to follow the known tokens of a sequence (prompt included where its ids are real), or None."""
