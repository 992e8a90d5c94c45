"""A router and replicas with fake models on one virtual loop."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.engine.driven_engine import DrivenEngine
from weft.cluster.cluster import Cluster
from weft.cluster.in_process import InProcess
from weft.cluster.inference_replica import InferenceReplica, Reporter
from weft.cluster.messages import Frame
from weft.cluster.nodes import Node
from weft.cluster.timing import Timing
from weft.contracts.events import RequestEnded
from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaView, RouteEvent, RoutePolicy
from weft.engine.replica import Output
from weft.engine.reporting_driver import ReportingDriver
from weft.simulator.virtual_time import run

TIMING = Timing()


class LeastBusy(RoutePolicy):
    """The one with the fewest requests."""

    def __init__(self) -> None:
        self.events: list[RouteEvent] = []

    def observe(self, event: RouteEvent) -> None:
        self.events.append(event)

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        counts = [each.num_outstanding for each in replicas]
        return counts.index(min(counts))


class Replica(InferenceReplica):
    """With its engine at hand."""

    def __init__(
        self, incarnation: int, send: Callable[[Frame], object], timing: Timing, settings: dict[str, Any]
    ) -> None:
        self.driven = DrivenEngine(**settings)

        def make_driver(reporter: Reporter) -> ReportingDriver:
            driven = self.driven
            how = driven.config, driven.executor, driven.log, reporter.report, reporter.stopped
            return ReportingDriver(*how)

        super().__init__(incarnation, make_driver, driven_fingerprint(self.driven), send, timing)


def driven_fingerprint(driven: DrivenEngine) -> str:
    """What names the bits of the fake model's state."""
    return driven.spec.fingerprint


class Client:
    """What was told of one request."""

    def __init__(self) -> None:
        self.news: list[Output | RequestEnded | Exception] = []

    def sink(self, news: Output | RequestEnded | Exception) -> None:
        self.news.append(news)

    def told(self, sample_index: int = 0) -> tuple[int, ...]:
        outputs = [each for each in self.news if isinstance(each, Output)]
        return tuple(token for each in outputs if each.sample_index == sample_index for token in each.tokens)

    @property
    def end(self) -> RequestEnded:
        (end,) = [each for each in self.news if isinstance(each, RequestEnded)]
        assert self.news[-1] is end
        return end


class SmallCluster:
    """To be made inside a running loop. `replicas`: those that run, by name."""

    def __init__(self, num_replicas: int = 2, timing: Timing = TIMING, **settings: Any) -> None:
        self.replicas: dict[str, Replica] = {}
        self.made: list[Replica] = []
        self._timing, self._settings = timing, settings
        self.backend = InProcess(self._make)
        self.policy = LeastBusy()
        names = [f"replica-{number}" for number in range(num_replicas)]
        self.cluster = Cluster(names, [Node("here")], self.policy, self.backend, self.backend, timing)
        self.backend.receive = self.cluster.receive
        self.router = self.cluster.router

    async def _make(self, name: str, incarnation: int, send: Callable[[Frame], object]) -> Replica:
        replica = self.replicas[name] = Replica(incarnation, send, self._timing, self._settings)
        self.made.append(replica)
        return replica

    def ask(self, request: Request, *, whole: bool = False) -> Client:
        """Have a request answered."""
        client = Client()
        self.router.ask(request, client.sink, whole=whole)
        return client

    def crash(self, name: str) -> None:
        """A replica ends, and nobody says so."""
        self.backend.kill(name)

    def text(self, request: Request, sample: int = 0) -> tuple[int, ...]:
        """What the model says to a request alone."""
        return self.made[0].driven.text(request, sample)

    def check(self) -> None:
        """Nothing is left over."""
        assert self.router.num_open == 0
        for replica in self.made:
            assert replica.driver.load().num_running == 0
            replica.driven.driver.engine.check_integrity()


def play(scenario: Callable[[SmallCluster], Awaitable[None]], num_replicas: int = 2, **settings: Any) -> None:
    """Let a scenario happen with a cluster that is up."""

    async def main() -> None:
        cluster = SmallCluster(num_replicas, **settings)
        await cluster.cluster.up()
        await scenario(cluster)
        cluster.cluster.close()

    run(main())
