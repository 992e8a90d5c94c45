"""A simulated service, and a workload played against it."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, Protocol

from weft.contracts.errors import RequestRejected
from weft.contracts.events import RequestEnded
from weft.contracts.requests import Request
from weft.observation.event_log import EventLog
from weft.simulator import virtual_time
from weft.simulator.clustered_service import ClusteredService
from weft.simulator.coasting_driver import CoastingDriver
from weft.simulator.deployment import Deployment
from weft.simulator.playing import Play, Player
from weft.simulator.real_world import no_real_world
from weft.simulator.replica_figures import ReplicaReport
from weft.simulator.request_outcome import TOO_LONG, Observe, answered, asked, refused
from weft.simulator.simulated_replica import SimulatedReplica
from weft.simulator.virtual_time import running_agenda
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Turn, Workload

Watch = Callable[[int, EventLog], None]
Prepare = Callable[[Sequence[SimulatedReplica]], None]


class Service(Protocol):
    """What a workload is played against. `num_arrived`: requests that came; `replicas`: all that there are."""

    num_arrived: int

    @property
    def replicas(self) -> Sequence[SimulatedReplica]: ...

    async def up(self) -> None:
        """All of it is there."""

    def send(self, play: Play, turn: Turn, arrival_s: float) -> None:
        """Have a turn answered; its true lengths go to the executors alone."""

    def close(self) -> None:
        """Nothing is under way any more. Raises `InvariantViolation` where something is left."""


class AloneService:
    """One replica, and no router."""

    def __init__(self, deployment: Deployment, observe: Observe, seed: int, beam_width: int) -> None:
        self._beam_width, self._longest, self._observe = beam_width, deployment.max_model_len, observe
        self._output_tokens: dict[str, tuple[int, ...]] = {}
        self.num_arrived = 0
        self._replica = SimulatedReplica(deployment, self._output_tokens, seed)
        self._replica.start(CoastingDriver)

    @property
    def replicas(self) -> Sequence[SimulatedReplica]:
        """It alone."""
        return (self._replica,)

    async def up(self) -> None:
        """See `Service`: it is."""

    def send(self, play: Play, turn: Turn, arrival_s: float) -> None:
        """See `Service`."""
        self.num_arrived += 1
        request, fits = asked(play, turn, self._longest, self._beam_width)
        if not fits:
            self._observe(refused(request, arrival_s, TOO_LONG))
            play.go_on()
            return
        under_way = _Asked(play, request, arrival_s)
        self._output_tokens[request.request_id] = turn.samples_tokens
        self._replica.num_requests += 1
        try:
            self._replica.driver.answer(request, partial(play.attempt, self._take_in, under_way))
        except RequestRejected as refusal:
            self._observe(refused(request, arrival_s, refusal.reason))
            self._go_on(under_way)

    def _take_in(self, asked: "_Asked", end: RequestEnded | Exception) -> None:
        if isinstance(end, Exception):
            raise end
        figures = self._replica.figures
        first_s = figures.first_token_s.pop(end.request_id, None)
        self._observe(answered(asked.request, asked.arrival_s, first_s, end, figures.gaps.take()))
        self._go_on(asked)

    def _go_on(self, asked: "_Asked") -> None:
        del self._output_tokens[asked.request.request_id]
        asked.play.go_on()

    def close(self) -> None:
        """See `Service`."""
        self._replica.driver.engine.check_integrity()


class _Asked(NamedTuple):
    """A request under way."""

    play: Play
    request: Request
    arrival_s: float


def make_service(deployment: Deployment, observe: Observe, seed: int, beam_width: int) -> Service:
    """With a router where there is anything to choose."""
    kind = AloneService if deployment.options.replicas == 1 else ClusteredService
    return kind(deployment, observe, seed, beam_width)


def simulate_service(
    deployment: Deployment,
    workload: Workload,
    observe: Observe,
    watch: Watch | None = None,
    seed: int = 0,
    beam_width: int = 1,
    prepare: Prepare | None = None,
    keeps_events: bool = True,
) -> list[ReplicaReport]:
    """Play a workload against a service until every request has ended; the reports of its replicas.

    `observe` is told of each request that ends. `watch` gets the index and the event log of every replica before
    anything happens. `seed`: of what chance decides in the service: which guesses of a draft model are right, and
    what a beam search chooses from. `beam_width`: what every request asks for; a search finds an output of the length
    that the workload says. `prepare` gets all replicas after that, on the running loop, where it may set timers that
    slow them down. `keeps_events`: in the logs, for those who look at them after the run. Raises `WorkloadError`
    where no request arrives, `InvalidRequest` for a width that no request may ask for, and whatever stopped an
    engine.
    """

    async def play() -> list[ReplicaReport]:
        service = make_service(deployment, observe, seed, beam_width)
        for index, replica in enumerate(service.replicas):
            if watch is not None:
                watch(index, replica.log)
        await service.up()
        if prepare is not None:
            prepare(service.replicas)
        await Player(workload.sessions(), service.send).over
        if not service.num_arrived:
            raise WorkloadError(f"no request of {workload.name} arrives in this run; make it longer")
        service.close()
        return _reports(service.replicas, running_agenda().now_s, keeps_events=keeps_events)

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


def _reports(
    replicas: Sequence[SimulatedReplica], now_s: float, *, keeps_events: bool
) -> list[ReplicaReport]:
    """The logs are let go: events that go with them cost less than when somebody looks for cycles among them."""
    reports = [replica.report(now_s) for replica in replicas]
    for replica in replicas:
        replica.log.close()
        if not keeps_events:
            replica.log.forget()
    return reports
