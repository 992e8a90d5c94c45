"""Everything an engine knows, in one place; the parts that act on it share it."""

from array import array
from collections import deque
from functools import partial
from typing import NamedTuple

from weft.contracts.errors import PolicyError
from weft.contracts.events import Event, Status
from weft.contracts.execution import ExecutorTraits
from weft.contracts.policies import BlocksCached, Policy, RetainPolicy
from weft.contracts.requests import Request
from weft.contracts.state import EncoderGroup
from weft.contracts.steps import TokenLogprobs
from weft.contracts.transfers import Transfer
from weft.engine.config import EngineConfig
from weft.engine.deferred import Deferred
from weft.engine.host_tier import HostTier
from weft.engine.policy_view import PolicyView
from weft.engine.search import SearchClient
from weft.engine.sequence import Sequence
from weft.engine.standing_rows import StandingRows
from weft.engine.state_store import StateStore
from weft.engine.step_plan import FlightRecord, StepPlan
from weft.engine.waiting_queue import WaitingQueue
from weft.observation.event_log import EventLog
from weft.policies.registry import (
    make_budget_policy,
    make_draft_policy,
    make_order_policy,
    make_preempt_policy,
)


class Output(NamedTuple):
    """News of one output of a request: `tokens` since the last news; `status` and `reason` at its end.

    `logprobs`: one for each of `tokens` where the request asked for them, else empty. `prompt_logprobs` (of the
    prompt's tokens from the second on) and `embedding`: where it asked, with the first news of its first output.
    """

    request_id: str
    sample_index: int
    tokens: tuple[int, ...]
    status: Status | None = None
    reason: str = ""
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs, ...] | None = None
    embedding: "array[float] | None" = None


class RequestRecord:
    """A request in the engine: its sequences, and what its client waits for."""

    __slots__ = (
        "client",
        "has_output",
        "num_live",
        "num_output_tokens",
        "outcome",
        "request",
        "sequences",
        "streams",
        "tells",
    )

    def __init__(
        self, request: Request, client: SearchClient | None, *, streams: bool, tells: bool = True
    ) -> None:
        self.request = request
        self.tells = tells
        self.client = client
        self.streams = streams and self.tells_each
        self.sequences: list[Sequence] = []
        self.num_live = 0
        self.num_output_tokens = 0
        self.has_output = False
        self.outcome: tuple[Status, str] | None = None

    @property
    def tells_each(self) -> bool:
        """Whether each sequence is an output of its own, not a candidate of a search."""
        return self.client is None or self.client.num_candidates == 0


class Replica:
    """The state of one engine.

    `running`: by number, those that hold a row, in order of admission; `active`: those of them that do not
    stand; `starved`: those that wait for blocks. `yielding`: preempted ones that still hold blocks on the
    device. `lacks_place`: the first of those that wait found no row or no blocks. `view`: what policies see.
    `requests`: by id, those that have not ended. `outbox`: transfers to be started.
    """

    def __init__(self, config: EngineConfig, traits: ExecutorTraits, log: EventLog) -> None:
        self.config = config
        self.depth = traits.depth
        self.log = log
        self.now_s = 0.0
        self.deferred = Deferred()
        self.store = StateStore(config, traits.numeric_fingerprint, self.deferred)
        self.host = HostTier(_host_sizes(config))
        self.standing = StandingRows(config.layout.block_tokens)
        self.order = make_order_policy(config.order)
        self.budget = make_budget_policy(config.budget)
        self.preempt = make_preempt_policy(config.preempt)
        self.draft = make_draft_policy(config.draft) if config.draft is not None else None
        self.lacks_place = False
        self.view = PolicyView(self)
        self.queue = WaitingQueue(self.order, self.view)
        self.plan = StepPlan(0)
        self.in_flight: deque[FlightRecord] = deque()
        self.rows: list[Sequence | None] = [None] * config.max_running
        self.free_rows = list(range(config.max_running - 1, -1, -1))
        self.running: dict[int, Sequence] = {}
        self.active: dict[int, Sequence] = {}
        self.starved: dict[int, Sequence] = {}
        self.yielding: dict[int, Sequence] = {}
        self.requests: dict[str, RequestRecord] = {}
        self.doomed: list[tuple[RequestRecord, str]] = []
        self.transfers: dict[int, tuple[Transfer, Sequence]] = {}
        self.outbox: list[Transfer] = []
        self.streaming: dict[int, Sequence] = {}
        self.outputs: list[Output] = []
        self.next_sequence_number = 0
        self.awaits_aborts = False
        self.failed_policy: PolicyError | None = None
        retain = (group.pool.retain for group in self.store.groups)
        for policy in (self.order, self.budget, self.preempt, self.draft, *retain):
            if policy is not None and (
                events := [each for each in policy.observes if each is not BlocksCached]
            ):
                log.subscribe(partial(self._let_observe, policy), *events)

    def _let_observe(self, policy: Policy | RetainPolicy, event: Event) -> None:
        """What an event finds half done must be finished, so a policy that raises here is blamed at the next step."""
        try:
            policy.observe(event)
        except Exception as error:
            problem = f"observe raised {type(error).__name__}: {error}"
            self.failed_policy = PolicyError(type(policy).__name__, problem)

    def take_row(self, sequence: Sequence) -> None:
        """Give a sequence a free row."""
        row = self.free_rows.pop()
        self.rows[row] = sequence
        sequence.row = row
        sequence.known_at_row = sequence.num_known
        sequence.is_announced = False
        self.running[sequence.number] = sequence
        self.active[sequence.number] = sequence

    def leave_row(self, sequence: Sequence) -> None:
        """Take a sequence's row away; steps under way still know it by that row."""
        if sequence.number not in self.running:
            return
        if sequence.stands:
            self.standing.leave(sequence)
        row = sequence.row
        if sequence.is_announced:
            self.plan.removed.append(row)
            self.plan.left.append(sequence.number)
            sequence.is_announced = False
        self.plan.forget(sequence)
        for flight in self.in_flight:
            flight.former.setdefault(row, sequence)
        self.rows[row] = None
        self.free_rows.append(row)
        del self.running[sequence.number]
        self.active.pop(sequence.number, None)
        self.starved.pop(sequence.number, None)

    def stop_standing(self, sequence: Sequence) -> None:
        """Let a sequence keep its row but take no part in the next steps."""
        self.standing.leave(sequence)
        self.plan.paused.append(sequence.row)
        self.plan.left.append(sequence.number)

    def release_state(self, sequence: Sequence) -> None:
        """Give up a sequence's blocks on the device, once no step under way touches them."""
        self.yielding.pop(sequence.number, None)
        if sequence.tables:
            self.store.release(sequence)

    def release_host(self, sequence: Sequence) -> None:
        """Give up a sequence's blocks in host memory."""
        if sequence.host_tables is not None:
            self.host.give_back(sequence.host_tables)
            sequence.host_tables = None
            sequence.swap_checksum = None

    def new_sequence(self, record: RequestRecord, arrival_s: float, sample_index: int) -> Sequence:
        """One more output of a request."""
        sequence = Sequence(
            self.next_sequence_number, record.request, sample_index, arrival_s, self.standing.clock
        )
        self.next_sequence_number += 1
        if record.sequences:
            sequence.family = record.sequences[0].family
        record.sequences.append(sequence)
        record.num_live += 1
        return sequence


def _host_sizes(config: EngineConfig) -> list[int]:
    return [
        0 if isinstance(group, EncoderGroup) else config.num_host_blocks.get(group.name, 0)
        for group in config.layout.groups
    ]
