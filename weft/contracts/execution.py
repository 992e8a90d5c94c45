"""The seams between live and simulated: execution, fabric, provisioning.

Time is the fourth; it is the running event loop itself.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult

Work = TypeVar("Work", contravariant=True)
Result = TypeVar("Result", covariant=True)


class Executor(Protocol[Work, Result]):
    """Does work in the order submitted, at most `depth` pieces at once.

    `depth` means the same live and simulated, because it decides which step an arrival joins.
    """

    @property
    def depth(self) -> int:
        """The most pieces of work that may be in flight, at least 1."""

    def submit(self, work: Work) -> Awaitable[Result]:
        """Queue a piece of work; the awaitable yields its result or raises what went wrong.

        Where one piece fails, those submitted before that is known fail with it.
        """


class StateMover(Protocol):
    """Moves state between tiers beside the steps; transfers may complete in any order."""

    def transfer(self, transfer: Transfer) -> Awaitable[TransferResult]:
        """Start a movement. A failure is a result with an error, not an exception."""


class ServingExecutor(Executor[Step, StepResult], StateMover, Protocol):
    """What a replica's engine needs of the side that owns the tensors."""

    @property
    def numeric_fingerprint(self) -> str:
        """Names all that decides the bits of the state: backend, instruction set, formats, kernel version."""

    def update_weights(self, version: int, source: str) -> Awaitable[None]:
        """Replace the weights between steps, after those already submitted."""

    def forget_rows(self) -> Awaitable[None]:
        """Give up every row: another engine begins. Nothing is in flight. Raises where the executor cannot go on."""


@dataclass(frozen=True, slots=True)
class ExecutorTraits:
    """What an engine must know of the executor it plans for; see `ServingExecutor`.

    `depth`: the most steps in flight. `numeric_fingerprint`: names all that decides the bits of the state.
    """

    depth: int
    numeric_fingerprint: str

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ConfigurationError(f"the executor's depth is {self.depth}; it must be at least 1")

    @classmethod
    def of(cls, executor: ServingExecutor) -> "ExecutorTraits":
        """Those of an executor, as they are now."""
        return cls(executor.depth, executor.numeric_fingerprint)


class Messages(Protocol):
    """Carries messages between actors, which are known by name."""

    def send(self, source: str, target: str, message: object, num_bytes: int = 0) -> None:
        """Put a message on its way: it may be late, lost, doubled or overtaken. What must arrive is sent by a layer
        above (`weft/cluster/link.py`)."""


class Fabric(Messages, Protocol):
    """Moves state between actors, too."""

    def transfer(self, source: str, target: str, num_bytes: int) -> Awaitable[None]:
        """Move state of a size in bytes; raises `ConnectionLost` where that breaks."""

    def collective(
        self, kind: Literal["all_reduce", "all_gather", "all_to_all"], group: Sequence[str], num_bytes: int
    ) -> Awaitable[None]:
        """Take part in a collective operation over `num_bytes` per member; it begins when all of the group have come.
        Raises `ConnectionLost` where one of them is gone."""


class Provisioning(Protocol):
    """Starts and ends actors on nodes. `incarnation`: counts the starts of one actor; what one of them still says after
    the next has begun can be told apart by it."""

    def start(self, actor: str, node: str, incarnation: int) -> Awaitable[None]:
        """Start an actor; completes when it is there. Raises where that cannot be."""

    def notice(self, actor: str, deadline_s: float) -> None:
        """Tell an actor that it will be stopped at `deadline_s` on the loop's clock."""

    def stop(self, actor: str) -> Awaitable[None]:
        """Let an actor finish its work, then end it."""

    def kill(self, actor: str) -> None:
        """End an actor at once, if it is there; its state is lost."""
