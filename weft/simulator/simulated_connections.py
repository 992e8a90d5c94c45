"""Connections between actors on the simulated network: what has to arrive whole, or break."""

from collections.abc import Callable, Mapping
from functools import partial

from weft.contracts.errors import ConnectionLost
from weft.observation.conditions import sometimes
from weft.simulator.agenda import Handle
from weft.simulator.flow_network import Flow
from weft.simulator.network_faults import NetworkFaults, on_clock
from weft.simulator.star_topology import StarTopology
from weft.simulator.virtual_time import running_agenda

ACTOR_LOST = sometimes("fabric: an actor was lost during a transfer")
REFUSED = sometimes("fabric: a transfer began with an actor that was gone")

Ended = Callable[[ConnectionLost | None], object]
"""Told how a connection ended: None where all has arrived."""


class Connection:
    """Bytes from an actor to another, until they have arrived or can never; `Connections.open` makes them."""

    __slots__ = ("ended", "failing", "flow", "nodes", "source", "target")

    def __init__(self, source: str, target: str, nodes: tuple[str, str], ended: Ended) -> None:
        self.source, self.target, self.nodes, self.ended = source, target, nodes, ended
        self.flow: Flow | None = None
        self.failing: Handle | None = None


class Connections:
    """Those under way.

    `nodes`: of every actor that there is or was, its node. `present`: has the names of those that there are.
    """

    def __init__(
        self,
        topology: StarTopology,
        faults: NetworkFaults,
        nodes: Mapping[str, str],
        present: Mapping[str, object],
    ) -> None:
        self._topology, self._network, self._faults = topology, topology.network, faults
        self._nodes, self._present = nodes, present
        self._agenda = running_agenda()
        self._open: dict[Connection, None] = {}
        for cut in faults.plan.cuts:
            if cut.from_s > self._agenda.now_s:  # earlier ones are seen by whatever begins
                self._agenda.call_at(on_clock(cut.from_s), self._cut)

    def open(self, source: str, target: str, num_bytes: float, ended: Ended, hops: int = 1) -> Connection:
        """Begin to move bytes between actors that there are or were; for `hops` see `FlowNetwork.start`.

        A connection with an actor that is gone is refused when the news has come back.
        """
        connection = Connection(source, target, (self._nodes[source], self._nodes[target]), ended)
        self._open[connection] = None
        part = self._faults.breaks_after(*connection.nodes, self._agenda.now_s)
        gone = [actor for actor in (source, target) if actor not in self._present]
        if gone:
            REFUSED.hit()
            self._fail(connection, 2 * self._latency_s(connection), f"{gone[0]!r} is gone")
        elif not self._break_where_cut(connection):
            arrived = partial(self._arrived if part == 1.0 else self._broken, connection)
            route = self._topology.route(*connection.nodes)
            connection.flow = self._network.start(route, num_bytes * part, arrived, hops)
        return connection

    def close(self, connection: Connection) -> None:
        """Nobody wants it any more: `ended` is not told."""
        if connection in self._open:
            del self._open[connection]
            self._stop(connection)

    def lose(self, actor: str) -> None:
        """What an actor that has just gone was sending and getting breaks; the other end hears of it."""
        for connection in [each for each in self._open if actor in (each.source, each.target)]:
            if connection.failing is None:
                ACTOR_LOST.hit()
                self._fail(connection, self._latency_s(connection), f"{actor!r} is gone")

    def _cut(self) -> None:
        for connection in [each for each in self._open if each.failing is None]:
            self._break_where_cut(connection)

    def _break_where_cut(self, connection: Connection) -> bool:
        """What goes one way is acknowledged the other: a connection needs both."""
        source, target = connection.nodes
        now_s, is_cut = self._agenda.now_s, self._faults.is_cut
        if not is_cut(source, target, now_s) and not is_cut(target, source, now_s):
            return False
        self._faults.hit("cut of a transfer")
        self._fail(connection, self._faults.plan.silence_s, "a partition lies between their nodes")
        return True

    def _broken(self, connection: Connection) -> None:
        self._faults.hit("breaking")
        self._end(connection, ConnectionLost(connection.source, connection.target, "it broke halfway"))

    def _arrived(self, connection: Connection) -> None:
        self._end(connection, None)

    def _fail(self, connection: Connection, after_s: float, reason: str) -> None:
        self._stop(connection)
        error = ConnectionLost(connection.source, connection.target, reason)
        now_s = self._agenda.now_s
        connection.failing = self._agenda.call_at(now_s + after_s, self._end, (connection, error))

    def _stop(self, connection: Connection) -> None:
        if connection.flow is not None:
            self._network.cancel(connection.flow)
        if connection.failing is not None:
            connection.failing.cancel()

    def _end(self, connection: Connection, error: ConnectionLost | None) -> None:
        del self._open[connection]
        connection.ended(error)

    def _latency_s(self, connection: Connection) -> float:
        return sum(channel.latency_s for channel in self._topology.route(*connection.nodes))
