"""One output in the making."""

from array import array

from weft.contracts.events import ENDS, Status
from weft.contracts.policies import Rank
from weft.contracts.requests import Request
from weft.contracts.state import Owner, OwnerKind
from weft.contracts.steps import TokenLogprobs
from weft.engine.prompt_report import prompt_report

NEVER = -1


class Sequence:
    """A prompt, the output so far, and where its state is.

    Progress is two counts of units (tokens): *known* and *computed*. Both include what steps under way
    will bring. While a sequence stands (see `contracts.steps`) both grow by one per tick of the standing
    rows, without anybody touching the sequence: they are `base_*` plus the ticks since `join_tick`.

    `output` holds the output tokens collected so far; those of recent ticks may still lie in the standing
    rows' history. `logprobs`: of its output tokens, where the request asks; they are there before the tokens
    are collected. `report`: what the request wants to know of the prompt, or None. `tables`: per state group the
    blocks held. `keys`: prefix keys of its full blocks, as far as computed. `last_step`: the last step planned
    that touches its state. `is_held`: a search client decides how it goes on. `is_private`: no other sequence can
    have the same content. `known_at_row`: how much was known when it got its row. `is_awaited`: the result
    of its last step must be seen before the next.
    """

    __slots__ = (
        "arrival_s",
        "base_computed",
        "base_known",
        "clock",
        "collected_tick",
        "crossing_tick",
        "ending_tick",
        "family",
        "host_tables",
        "is_announced",
        "is_awaited",
        "is_held",
        "is_private",
        "is_queued",
        "is_synchronous",
        "join_tick",
        "keys",
        "known_at_row",
        "last_step",
        "leave_tick",
        "logprobs",
        "mixes_weights",
        "num_published",
        "number",
        "output",
        "owner",
        "prompt_tokens",
        "rank",
        "report",
        "request",
        "row",
        "sample_index",
        "stands",
        "status",
        "streamed",
        "swap_checksum",
        "tables",
        "transfer_id",
        "unsent_tokens",
        "wait_reason",
    )

    def __init__(
        self, number: int, request: Request, sample_index: int, arrival_s: float, clock: "TickClock"
    ) -> None:
        self.number = number
        self.owner = Owner(OwnerKind.SEQUENCE, number)
        self.family = number
        self.request = request
        self.sample_index = sample_index
        self.arrival_s = arrival_s
        self.clock = clock
        self.prompt_tokens = request.prompt.num_tokens
        self.rank: Rank = ()
        self.status = Status.WAITING
        self.output = array("i")
        self.logprobs: list[TokenLogprobs] | None = None if request.sampling.logprobs is None else []
        self.report = prompt_report(request, sample_index)
        self.base_known = self.known_at_row = self.prompt_tokens
        self.base_computed = 0
        self.stands = False
        self.join_tick = self.leave_tick = self.collected_tick = 0
        self.crossing_tick = self.ending_tick = NEVER
        self.row = NEVER
        self.is_announced = False
        self.last_step = NEVER
        self.is_awaited = self.is_held = self.is_private = self.is_queued = self.is_synchronous = False
        self.tables: list[list[int]] = []
        self.host_tables: list[list[int]] | None = None
        self.swap_checksum: int | None = None
        self.transfer_id: int | None = None
        self.keys: list[bytes] = []
        self.num_published = 0
        self.mixes_weights = False
        self.unsent_tokens: tuple[int, ...] = ()
        self.streamed = 0
        self.wait_reason = ""

    def resume(self, tokens: tuple[int, ...]) -> None:
        """Begin with output that was emitted, and told, elsewhere."""
        if tokens:
            self.output.extend(tokens)
            self.base_known += len(tokens)
            self.streamed = len(tokens)
            self.report = None  # told with the first of them
            if self.logprobs is not None:
                self.logprobs += [
                    TokenLogprobs(token, 0.0) for token in tokens
                ]  # told too; these are not read

    @property
    def num_known(self) -> int:
        """Tokens of prompt and output, counting those that steps under way will emit."""
        return self.base_known + (self.clock.tick - self.join_tick) if self.stands else self.base_known

    @property
    def num_computed(self) -> int:
        """Units whose state is held, counting those that steps under way compute."""
        return self.base_computed + (self.clock.tick - self.join_tick) if self.stands else self.base_computed

    @property
    def num_output_tokens(self) -> int:
        return max(0, self.num_known - self.prompt_tokens)

    @property
    def num_stay_tokens(self) -> int:
        return self.num_known - self.known_at_row

    @property
    def num_blocks(self) -> int:
        return sum(len(table) for table in self.tables)

    @property
    def has_ended(self) -> bool:
        return self.status in ENDS

    @property
    def num_missing(self) -> int:
        """Known units still to compute."""
        return self.num_known - self.num_computed

    @property
    def num_skippable(self) -> int:
        """Known units that need not be computed where their state is at hand: the last must, to go on from it."""
        before = self.num_known - 1
        return before if self.report is None else self.report.num_skippable(before)

    @property
    def decodes(self) -> bool:
        """Whether all that is missing is the latest output token."""
        return self.num_missing == 1 and self.num_known > self.prompt_tokens

    @property
    def num_remaining_tokens(self) -> int:
        """Output tokens it may still emit."""
        return self.request.max_total_tokens - self.num_known

    def __repr__(self) -> str:
        return f"<Sequence {self.number} of {self.request.request_id!r} {self.status.value}>"


class TickClock:
    """Counts the steps in which standing rows advanced: `tick` planned ones, `resolved` of them returned."""

    __slots__ = ("resolved", "tick")

    def __init__(self) -> None:
        self.tick = 0
        self.resolved = 0
