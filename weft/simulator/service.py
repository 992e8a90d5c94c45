"""A simulated service: replicas of a model behind a router, and a workload played against them."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import NamedTuple

from weft.contracts.errors import RequestRejected
from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Request, SamplingParams
from weft.observation.event_log import EventLog
from weft.simulator import virtual_time
from weft.simulator.coasting_driver import Answered, CoastingDriver
from weft.simulator.deployment import Deployment
from weft.simulator.oracle import with_oracle
from weft.simulator.playing import Play, Player
from weft.simulator.real_world import no_real_world
from weft.simulator.replica_figures import ReplicaFigures, ReplicaReport
from weft.simulator.routing import SimulatedRouter
from weft.simulator.simulated_beams import END_TOKEN
from weft.simulator.simulated_executor import SimulatedExecutor
from weft.simulator.virtual_time import running_agenda
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Turn, Workload

TOO_LONG = "the prompt leaves no room for output in max_model_len"


class RequestOutcome(NamedTuple):
    """How a request fared, in seconds from the beginning of the run.

    `arrival_s`: when it was meant to be sent. `first_token_s`: None where it had no output; a beam search has all of it
    at its end. `token_gaps`: those of its replica, of whatever requests, since the request before it ended there:
    (seconds, how often). `output_tokens`: of all samples together.
    """

    request_id: str
    status: Status
    reason: str
    arrival_s: float
    first_token_s: float | None
    ended_s: float
    prompt_tokens: int
    output_tokens: int
    token_gaps: Sequence[tuple[float, int]]


Observe = Callable[[RequestOutcome], None]
Watch = Callable[[int, EventLog], None]
Prepare = Callable[[Sequence["SimulatedReplica"]], None]


class SimulatedReplica:
    """An engine with its driver and executor. `num_requests`: that it was given."""

    def __init__(self, deployment: Deployment, output_tokens: dict[str, tuple[int, ...]], seed: int) -> None:
        self.log = EventLog()
        self.executor = SimulatedExecutor(deployment, output_tokens, deployment.depth, seed)
        config = with_oracle(deployment.config, output_tokens)
        self.driver = CoastingDriver(config, self.executor, self.log)
        self.figures = ReplicaFigures(self.log, max(deployment.config.num_blocks.values()))
        self.num_requests = 0

    def answer(self, request: Request, answered: Answered) -> None:
        """As `CoastingDriver.answer`."""
        self.driver.answer(request, answered)

    def report(self, now_s: float) -> ReplicaReport:
        """Its figures so far."""
        executor, figures = self.executor, self.figures
        mean, peak = figures.kv_usage(now_s)
        return ReplicaReport(
            self.num_requests,
            executor.num_steps,
            self.log.num_recorded,
            executor.busy_s,
            executor.joules,
            mean,
            peak,
            figures.preemptions,
            figures.prefix_queried_tokens,
            figures.prefix_hit_tokens,
            figures.drafts,
            figures.drafted_tokens,
            figures.accepted_tokens,
        )


class SimulatedService:
    """Replicas and their router, on the running virtual-time loop. `observe` is told of every request that ends;
    `num_arrived` counts those that came."""

    def __init__(self, deployment: Deployment, observe: Observe, seed: int, beam_width: int) -> None:
        self._beam_width = beam_width
        self._output_tokens: dict[str, tuple[int, ...]] = {}
        self._longest = deployment.max_model_len
        self._agenda, options = running_agenda(), deployment.options
        self._router = SimulatedRouter(options.router, options.replicas, self._agenda.now_s, seed)
        self._observe = observe
        self.num_arrived = 0
        self.replicas = [
            SimulatedReplica(deployment, self._output_tokens, seed) for _ in range(options.replicas)
        ]

    def send(self, play: Play, turn: Turn, arrival_s: float) -> None:
        """Have a turn answered; its true lengths go to the executors alone."""
        self.num_arrived += 1
        room = self._longest - turn.prompt.num_tokens
        lengths = turn.samples_tokens
        sampling = _limited(max(1, room), len(lengths), self._beam_width)
        request = play.session.request(play.index, turn, sampling)
        if room < 1:
            self._observe(_refused(request, arrival_s, TOO_LONG))
            play.go_on()
            return
        asked = _Asked(play, self._router.route(request, self._agenda.now_s), request, arrival_s)
        self._output_tokens[request.request_id] = lengths
        replica = self.replicas[asked.chosen]
        replica.num_requests += 1
        try:
            replica.answer(request, partial(play.attempt, self._take_in, asked))
        except RequestRejected as refusal:
            self._go_on(asked, _refused(request, arrival_s, refusal.reason))

    def _take_in(self, asked: "_Asked", end: RequestEnded | Exception) -> None:
        if isinstance(end, Exception):
            raise end
        self._go_on(asked, _outcome(self.replicas[asked.chosen], asked.request, asked.arrival_s, end))

    def _go_on(self, asked: "_Asked", outcome: RequestOutcome) -> None:
        self._observe(outcome)
        request, now_s = asked.request, self._agenda.now_s
        self._router.note_ended(asked.chosen, request, outcome.status, outcome.output_tokens, now_s)
        del self._output_tokens[request.request_id]
        asked.play.go_on()


class _Asked(NamedTuple):
    """A request under way. `chosen`: the index of the replica that has it."""

    play: Play
    chosen: int
    request: Request
    arrival_s: float


@lru_cache(maxsize=1 << 14)
def _limited(max_tokens: int, num_samples: int, beam_width: int) -> SamplingParams:
    """As a client that sets no limit of its own."""
    ends = (END_TOKEN,) if beam_width > 1 else ()
    return SamplingParams(n=num_samples, beam_width=beam_width, max_tokens=max_tokens, stop_token_ids=ends)


def _outcome(
    replica: SimulatedReplica, request: Request, arrival_s: float, end: RequestEnded
) -> RequestOutcome:
    first_token_s = replica.figures.first_token_s.pop(end.request_id, None)
    is_found = end.status is Status.FINISHED and request.sampling.beam_width > 1
    return RequestOutcome(
        end.request_id,
        end.status,
        end.reason,
        arrival_s,
        end.time_s if is_found else first_token_s,
        end.time_s,
        request.prompt.num_tokens,
        end.output_tokens,
        replica.figures.gaps.take(),
    )


def _refused(request: Request, arrival_s: float, reason: str) -> RequestOutcome:
    tokens = request.prompt.num_tokens
    return RequestOutcome(
        request.request_id, Status.REJECTED, reason, arrival_s, None, arrival_s, tokens, 0, ()
    )


def simulate_service(
    deployment: Deployment,
    workload: Workload,
    observe: Observe,
    watch: Watch | None = None,
    seed: int = 0,
    beam_width: int = 1,
    prepare: Prepare | None = None,
) -> list[ReplicaReport]:
    """Play a workload against a service until every request has ended; the reports of its replicas.

    `observe` is told of each request that ends. `watch` gets the index and the event log of every replica before
    anything happens. `seed`: of what chance decides in the service: which guesses of a draft model are right, and what
    a beam search chooses from. `beam_width`: what every request asks for; a search finds an output of the length that
    the workload says. `prepare` gets all replicas after that, on the running loop, where it may set timers that slow
    them down. Raises `WorkloadError` where no request arrives, `InvalidRequest` for a width that no request may ask
    for, and whatever stopped an engine.
    """

    async def play() -> list[ReplicaReport]:
        service = SimulatedService(deployment, observe, seed, beam_width)
        for index, replica in enumerate(service.replicas):
            if watch is not None:
                watch(index, replica.log)
        if prepare is not None:
            prepare(service.replicas)
        await Player(workload.sessions(), service.send).over
        if not service.num_arrived:
            raise WorkloadError(f"no request of {workload.name} arrives in this run; make it longer")
        return _reports(service, running_agenda().now_s)

    with no_real_world(), _rare_collections():
        return virtual_time.run(play())


@contextmanager
def _rare_collections() -> Iterator[None]:
    """What a run lets go is freed by reference counts. Looking for cycles all the time takes a fifth of it, and after
    every 50,000 objects that stay still a thirtieth."""
    thresholds = gc.get_threshold()
    gc.set_threshold(1_000_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _reports(service: SimulatedService, now_s: float) -> list[ReplicaReport]:
    reports = []
    for replica in service.replicas:
        replica.driver.engine.check_integrity()
        reports.append(replica.report(now_s))
        replica.log.close()
    return reports
