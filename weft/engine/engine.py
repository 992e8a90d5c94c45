"""The engine of one replica, sans-IO.

It never waits and never reads a clock: every call says what time it is. `submit` and `cancel` change who
wants what, `schedule` says what the executor should do next, `update` takes in what came of it. `driver.py`
is the loop that connects it with an executor; a test or a simulator may be another.
"""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvalidRequest, PolicyError
from weft.contracts.events import Status, WeightsUpdated
from weft.contracts.execution import ExecutorTraits
from weft.contracts.policies import EngineView
from weft.contracts.requests import Request, Slo
from weft.contracts.routing import LoadReport
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.engine.arrivals import Arrivals, Resumption
from weft.engine.coasting import Coasting
from weft.engine.config import EngineConfig
from weft.engine.door import Door
from weft.engine.forks import Forks
from weft.engine.integrity import check_integrity
from weft.engine.lifecycle import Lifecycle
from weft.engine.reclaim import Reclaim
from weft.engine.replica import Output, Replica
from weft.engine.results import Results
from weft.engine.scheduler import Scheduler
from weft.engine.succession import abandon, succeed
from weft.observation.event_log import EventLog


class Engine:
    """Requests in, steps out; step results in, tokens out. Times are seconds on the caller's clock.

    `traits`: those of the executor that will do the steps.
    """

    def __init__(self, config: EngineConfig, traits: ExecutorTraits, log: EventLog | None = None) -> None:
        self.config = config
        self.log = EventLog() if log is None else log
        self._replica = Replica(config, traits, self.log)
        self._lifecycle = Lifecycle(self._replica)
        reclaim = Reclaim(self._replica, self._lifecycle)
        self._reclaim = reclaim
        self._scheduler = Scheduler(self._replica, self._lifecycle, reclaim)
        self._results = Results(self._replica, self._lifecycle, Forks(self._replica, self._lifecycle))
        self._door = Door(self._replica)
        self._arrivals = Arrivals(self._replica, self._lifecycle, self._door)
        self._coasting = Coasting(self._replica, self._door)

    @property
    def view(self) -> EngineView:
        """What policies see of it."""
        return self._replica.view

    def submit(
        self,
        request: Request,
        now_s: float,
        *,
        stream: bool = False,
        tells: bool = True,
        emitted: Resumption = None,
    ) -> None:
        """Let a request wait for its turn. With `stream`, tokens are told as they come; unless it `tells`, nothing of
        it is but what the log says.

        `emitted`: another engine was let have it before, and this is there of each of its outputs (nothing at all
        where it is empty): those that have not ended go on from there, and only what follows is told. Its load was
        judged when it came, so too much work that waits is no reason to refuse it.

        Raises `RequestRejected` where it could never fit or too much work waits, `InvalidRequest` where its
        id is in use or `emitted` is not of it, `PolicyError` where the order policy has no rank for it.
        """
        self._replica.now_s = now_s
        self._arrivals.take_in(request, emitted, stream=stream, tells=tells)

    def check_load(
        self, request_id: str, tenant: str, slo: Slo | None, prompt_tokens: int, now_s: float
    ) -> None:
        """Raise `RequestRejected`, and record it, where such a request would not be let in now; one that is let in
        is not here yet. For who knows about what a request will be before it is there."""
        self._replica.now_s = now_s
        self._door.check_ahead(request_id, tenant, slo, prompt_tokens)

    def cancel(self, request_id: str, now_s: float) -> bool:
        """End a request at any moment; False where no such request is live."""
        return self._end(request_id, now_s, Status.CANCELLED, "cancelled by the client")

    def stop_output(self, request_id: str, sample_index: int, num_tokens: int, now_s: float) -> bool:
        """End one output, by reason "stop", with its `num_tokens`-th token: there its client found a stop string.

        Tokens after that one are neither told any more nor counted; the request's other outputs go on. False
        where the output has ended or never was. Raises `InvalidRequest` where the output has not got so far,
        or is that of a beam search.
        """
        self._replica.now_s = now_s
        record = self._replica.requests.get(request_id)
        stopped = record is not None and self._lifecycle.stop(record, sample_index, num_tokens)
        self._lifecycle.end_doomed()
        return stopped

    def fail(self, request_id: str, reason: str, now_s: float) -> bool:
        """End a request that cannot go on, naming the reason; False where no such request is live."""
        return self._end(request_id, now_s, Status.FAILED, reason)

    def give_up(self, error: PolicyError, now_s: float) -> bool:
        """End the request that a failing policy stumbled over, or all where it names none; whether there was one."""
        named = self.live_requests() if error.request_id is None else [error.request_id]
        failed = [self.fail(request_id, str(error), now_s) for request_id in named]
        return any(failed)

    def _end(self, request_id: str, now_s: float, status: Status, reason: str) -> bool:
        self._replica.now_s = now_s
        record = self._replica.requests.get(request_id)
        if record is not None:
            self._lifecycle.end_request(record, status, reason)
        return record is not None

    def schedule(self, now_s: float) -> Step | None:
        """The next step for the executor, or None where there is none until something else happens.

        At most `depth` steps are in flight. Raises `PolicyError` where a policy fails; nothing has changed
        then, and the call may be repeated after `give_up`.
        """
        replica = self._replica
        if len(replica.in_flight) >= replica.depth or replica.awaits_aborts:
            return None
        replica.now_s = now_s
        try:
            return self._scheduler.schedule()
        finally:
            if replica.doomed:
                self._lifecycle.end_doomed()

    def update(self, result: StepResult, now_s: float) -> None:
        """Take in the result of the oldest step in flight."""
        self._replica.now_s = now_s
        flight = self._results.apply(result)
        if self._replica.doomed:
            self._lifecycle.end_doomed()
        self._door.note_step(flight.step.num_tokens, flight.planned_s, now_s)

    def step_failed(self, number: int, reason: str, now_s: float) -> None:
        """The oldest step in flight did not happen: the requests that run fail, and none that waits."""
        self._replica.now_s = now_s
        self._results.fail(number, reason)
        self._lifecycle.end_doomed()

    def transfer_ended(self, result: TransferResult, now_s: float) -> None:
        """Take in the end of a transfer, in whatever order they end."""
        self._replica.now_s = now_s
        self._reclaim.transfer_ended(result)
        self._lifecycle.end_doomed()

    @property
    def may_coast(self) -> bool:
        """Whether nothing but the standing rows is to be planned; see `coasting.py`."""
        return self._coasting.is_quiet

    @property
    def num_coasting_steps(self) -> int:
        """How many more steps would only give every standing row a token, where it `may_coast`."""
        return self._coasting.num_steps

    def coast(self, times_s: SequenceOf[float], tokens: SequenceOf[int]) -> None:
        """Take in so many of them at once, at most `num_coasting_steps`: when each returned, the last not before
        the others, and the tokens by row that each brought."""
        self._coasting.take(times_s, tokens)

    def load(self, num_coasted: int = 0) -> LoadReport:
        """How it gets on; or will, once it has taken in so many steps that `coast` will be told of."""
        replica, store = self._replica, self._replica.store
        num_steps = replica.plan.number - len(replica.in_flight) + num_coasted
        used_blocks = store.used_blocks() + (self._coasting.num_blocks(num_coasted) if num_coasted else 0)
        blocks = used_blocks, replica.view.num_blocks
        num_waiting = len(replica.queue) + len(replica.transfers)
        return LoadReport(num_steps, len(replica.running), num_waiting, *blocks)

    def take_transfers(self) -> list[Transfer]:
        """Transfers to start now, beside the steps."""
        if not (transfers := self._replica.outbox):
            return []
        self._replica.outbox = []
        return transfers

    def take_outputs(self) -> list[Output]:
        """News of requests since the last call."""
        if not (outputs := self._replica.outputs):
            return []
        self._replica.outputs = []
        return outputs

    def update_weights(self, version: int, now_s: float) -> None:
        """From the next step on the weights are those of `version`.

        Running sequences keep their state, which mixes both: none of it is published from now on. Waiting
        ones start afresh under the new version's keys.
        """
        replica = self._replica
        keys = replica.store.keys
        if version <= keys.weights_version:
            raise InvalidRequest(
                f"weights version {version} does not follow {keys.weights_version}; versions grow"
            )
        replica.now_s = now_s
        keys.weights_version = version
        for record in replica.requests.values():
            for sequence in record.sequences:
                sequence.mixes_weights = bool(sequence.tables) or sequence.host_tables is not None
                if not sequence.mixes_weights:
                    sequence.keys.clear()
        self.log.record(WeightsUpdated(now_s, version))

    def abandon(self, reason: str, now_s: float) -> None:
        """This engine cannot go on: its requests have failed. It may be asked for nothing more."""
        self._replica.now_s = now_s
        abandon(self._replica, reason)

    def succeed(self, former: "Engine") -> None:
        """Take the place of one that was abandoned; this one is new. See `succession.py`."""
        succeed(self._replica, former._replica)

    def live_requests(self) -> list[str]:
        """Ids of the requests that have not ended, by arrival."""
        return list(self._replica.requests)

    @property
    def num_in_flight(self) -> int:
        """Steps submitted and not returned."""
        return len(self._replica.in_flight)

    @property
    def step_under_way(self) -> Step | None:
        """The oldest of them, or None."""
        return self._replica.in_flight[0].step if self._replica.in_flight else None

    @property
    def num_transfers(self) -> int:
        """Transfers that have not ended."""
        return len(self._replica.transfers)

    def check_integrity(self) -> None:
        """Raise `InvariantViolation` where anything was lost or leaked. Cheap enough for idle moments and tests."""
        check_integrity(self._replica)
