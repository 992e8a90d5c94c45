"""A simulated service of several replicas: the router, the links and the health of a cluster that serves, on a network
and nodes that are simulated."""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from weft.cluster.cluster import ROUTER, Cluster
from weft.cluster.inference_replica import Driver, InferenceReplica, Reporter
from weft.cluster.messages import Frame
from weft.cluster.nodes import Node
from weft.cluster.timing import Timing
from weft.contracts.errors import RequestRejected
from weft.contracts.events import RequestEnded
from weft.contracts.requests import Request
from weft.contracts.routing import Routed, RouteEvent
from weft.engine.replica import Output
from weft.hardware.cluster import Link
from weft.policies.registry import make_route_policy
from weft.simulator.deployment import Deployment
from weft.simulator.deployment_options import COLD_START_S
from weft.simulator.node_lives import NO_NODE_FAULTS, ColdStart, Lifetime, NodeFaults
from weft.simulator.playing import Play
from weft.simulator.reporting_coasting_driver import EndsDriver, TellingDriver
from weft.simulator.request_outcome import TOO_LONG, Observe, answered, asked, refused
from weft.simulator.simulated_executor import NUMERIC_FINGERPRINT
from weft.simulator.simulated_fabric import SimulatedFabric
from weft.simulator.simulated_provisioning import SimulatedProvisioning
from weft.simulator.simulated_replica import SimulatedReplica
from weft.simulator.star_topology import StarTopology
from weft.simulator.virtual_time import running_agenda
from weft.workloads.sessions import Turn

ETHERNET = Link(
    "Ethernet between servers",
    25e9 / 8,
    20e-6,
    dict.fromkeys(("bandwidth", "latency_s"), "an assumption: 25 Gbit/s, and a round trip of 40 µs"),
)
"""Between router and replicas: messages are small, so little depends on it."""


class _Actor(InferenceReplica):
    """One incarnation of a replica, on simulated devices. `close`: where it ends, with all that was under way there."""

    def __init__(
        self,
        simulated: SimulatedReplica,
        incarnation: int,
        send: Callable[[Frame], object],
        leave: Callable[[], object],
        *,
        timing: Timing,
        tells: bool,
    ) -> None:
        self._simulated, self._leave = simulated, leave
        make = TellingDriver if tells else EndsDriver

        def make_driver(reporter: Reporter) -> Driver:
            driver = simulated.start(partial(make, reporter=reporter))
            assert isinstance(driver, make)
            return driver

        super().__init__(incarnation, make_driver, NUMERIC_FINGERPRINT, send, timing)

    def close(self) -> None:
        super().close()
        self._simulated.lose()
        self._leave()


class ClusteredService:
    """See `Service`. Where replicas can be lost, they tell tokens as they come, so that requests go on from these."""

    def __init__(self, deployment: Deployment, observe: Observe, seed: int, beam_width: int) -> None:
        options = deployment.options
        self._beam_width, self._longest, self._observe = beam_width, deployment.max_model_len, observe
        self._output_tokens: dict[str, tuple[int, ...]] = {}
        self._agenda, self._tells = running_agenda(), options.mtbf_s is not None
        self._timing = Timing(lost_after_s=options.lost_after_s)
        self._hosts: dict[str, list[SimulatedReplica]] = {}
        self.num_arrived = 0
        names = [f"replica-{number}" for number in range(options.replicas)]
        nodes = [Node(name, deployment.cluster.node) for name in names]
        self._by_name = {name: SimulatedReplica(deployment, self._output_tokens, seed) for name in names}
        self._fabric = SimulatedFabric(StarTopology([*nodes, Node(ROUTER)], ETHERNET))
        self._provisioning = SimulatedProvisioning(
            nodes,
            self._make,
            lambda name, incarnation, reason: None,  # heartbeats must find it out
            lambda name, deadline_s: None,
            ColdStart(COLD_START_S if options.cold_start_s is None else options.cold_start_s),
            _faults(options.mtbf_s),
            seed,
            is_warm=True,
        )
        policy = make_route_policy(options.router)
        parts = policy, self._fabric, self._provisioning, self._timing
        self._cluster = Cluster(names, nodes, *parts, observe=self._note, tells=self._tells, seed=seed)
        self._fabric.register(ROUTER, ROUTER, self._cluster.receive)

    @property
    def replicas(self) -> Sequence[SimulatedReplica]:
        """By their number."""
        return list(self._by_name.values())

    async def up(self) -> None:
        """See `Service`."""
        await self._cluster.up()

    def _make(self, name: str, node: Node, incarnation: int) -> _Actor:
        made: list[_Actor] = []

        def receive(_: str, frame: object) -> None:
            assert isinstance(frame, Frame)
            made[0].receive(frame)

        self._fabric.register(name, node.name, receive)
        send = partial(self._fabric.send, name, ROUTER)
        leave, replica = partial(self._fabric.unregister, name), self._by_name[name]
        made.append(_Actor(replica, incarnation, send, leave, timing=self._timing, tells=self._tells))
        return made[0]

    def _note(self, event: RouteEvent) -> None:
        if isinstance(event, Routed):
            replica = self._by_name[event.replica]
            replica.num_requests += 1
            self._hosts.setdefault(event.request.request_id, []).append(replica)

    def send(self, play: Play, turn: Turn, arrival_s: float) -> None:
        """See `Service`."""
        self.num_arrived += 1
        request, fits = asked(play, turn, self._longest, self._beam_width)
        if not fits:
            self._observe(refused(request, arrival_s, TOO_LONG))
            play.go_on()
            return
        self._output_tokens[request.request_id] = turn.samples_tokens
        hear = partial(self._hear, play, request, arrival_s)
        try:
            self._cluster.router.ask(request, hear, whole=True)
        except RequestRejected as refusal:
            hear(refusal)

    def _hear(
        self, play: Play, request: Request, arrival_s: float, news: Output | RequestEnded | Exception
    ) -> None:
        if not isinstance(news, Output):
            play.attempt(self._take_end, play, request, arrival_s, news)

    def _take_end(
        self, play: Play, request: Request, arrival_s: float, end: RequestEnded | Exception
    ) -> None:
        hosts = self._hosts.pop(request.request_id, [])
        del self._output_tokens[request.request_id]
        if isinstance(end, RequestRejected):
            self._observe(refused(request, arrival_s, end.reason))
        elif isinstance(end, Exception):
            raise end
        else:
            first_s = [each.figures.first_token_s.pop(end.request_id, inf) for each in hosts]
            gaps = [gap for each in hosts for gap in each.figures.gaps.take()]
            seen_s = min(first_s, default=inf)
            self._observe(answered(request, arrival_s, None if seen_s == inf else seen_s, end, gaps))
        play.go_on()

    def close(self) -> None:
        """See `Service`."""
        for replica in self._by_name.values():
            replica.driver.engine.check_integrity()
        self._cluster.close()


def _faults(mtbf_s: float | None) -> NodeFaults:
    """A node that was lost is there again at once; starting on it takes its time."""
    return NO_NODE_FAULTS if mtbf_s is None else NodeFaults(Lifetime(mtbf_s), away_s=1e-3)
