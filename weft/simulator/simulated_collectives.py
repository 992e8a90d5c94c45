"""Collective operations on the simulated network, as connections between their members.

The algorithms and their bytes are those of `weft.costs.topology`: rings for all-reduce (always: its trees are for small
buffers on many ranks) and all-gather, everyone to everyone for all-to-all.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from weft.contracts.errors import ConfigurationError, ConnectionLost
from weft.costs.topology import COLLECTIVE_START_S
from weft.simulator.simulated_connections import Connection, Connections
from weft.simulator.virtual_time import running_agenda

CollectiveKind = Literal["all_reduce", "all_gather", "all_to_all"]
Key = tuple[CollectiveKind, tuple[str, ...]]


class Hop(NamedTuple):
    """What one member sends another in the whole of an operation, in so many steps."""

    source: str
    target: str
    num_bytes: float
    steps: int


def hops(kind: CollectiveKind, group: Sequence[str], num_bytes: int) -> list[Hop]:
    """All of an operation over `num_bytes`: of an all-reduce what each member has, of an all-gather the gathered whole,
    of an all-to-all what each hands out."""
    ranks = len(group)
    if kind == "all_to_all":
        return [Hop(each, other, num_bytes / ranks, 1) for each in group for other in group if other != each]
    steps = (ranks - 1) * (2 if kind == "all_reduce" else 1)
    following = [*group[1:], group[0]]
    return [Hop(*pair, num_bytes * steps / ranks, steps) for pair in zip(group, following, strict=True)]


class _Collective:
    """One operation: its members come, then it runs. Who has given up waiting has not come."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        self.futures: list[asyncio.Future[None]] = []
        self.connections: list[Connection] = []
        self.num_under_way = 0

    def settle(self, error: ConnectionLost | None) -> None:
        """Tell those that wait how it ended."""
        for future in self.futures:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)


class Collectives:
    """Those that wait for members, and those under way. `present`: has the names of the actors that there are."""

    def __init__(self, connections: Connections, present: Mapping[str, object]) -> None:
        self._connections, self._present = connections, present
        self._agenda, self._loop = running_agenda(), asyncio.get_running_loop()
        self._gathering: dict[Key, _Collective] = {}

    def join(self, kind: CollectiveKind, group: Sequence[str], num_bytes: int) -> asyncio.Future[None]:
        """One more member of the group has come; when all have, it runs.

        Raises `ConfigurationError` for no member, one named twice, and another size than those before have given.
        """
        if not group or len(dict.fromkeys(group)) < len(group):
            raise ConfigurationError(f"{kind} among {', '.join(group) or 'nobody'}; name each member once")
        key = kind, tuple(group)
        collective = self._gathering.get(key) or _Collective(num_bytes)
        if collective.num_bytes != num_bytes:
            raise ConfigurationError(
                f"{kind} over {num_bytes} bytes, and another member has said {collective.num_bytes}; give the same"
            )
        future: asyncio.Future[None] = self._loop.create_future()
        collective.futures.append(future)
        future.add_done_callback(self._given_up(key, collective))
        self._gathering[key] = collective
        self._look(key)
        return future

    def lose(self, actor: str) -> None:
        """What waits for an actor that has just gone waits no more."""
        for key in [key for key in self._gathering if actor in key[1]]:
            self._look(key)

    def _look(self, key: Key) -> None:
        """Begin it, or give it up, or wait on."""
        group, collective = key[1], self._gathering[key]
        gone = [place for place, actor in enumerate(group) if actor not in self._present]
        if gone:
            del self._gathering[key]
            lost = group[gone[0]]
            collective.settle(ConnectionLost(group[gone[0] - 1], lost, f"{lost!r} is gone"))
        elif len(collective.futures) == len(group):
            del self._gathering[key]
            start_s = COLLECTIVE_START_S if len(group) > 1 else 0.0
            self._agenda.call_at(self._agenda.now_s + start_s, self._begin, (key, collective))

    def _given_up(self, key: Key, collective: _Collective) -> Callable[[asyncio.Future[None]], None]:
        def look(future: asyncio.Future[None]) -> None:
            if future.cancelled() and self._gathering.get(key) is collective:
                collective.futures.remove(future)

        return look

    def _begin(self, key: Key, collective: _Collective) -> None:
        kind, group = key
        under_way = hops(kind, group, collective.num_bytes) if len(group) > 1 else []
        collective.num_under_way = len(under_way)
        if not under_way:
            collective.settle(None)
        for hop in under_way:
            ended = partial(self._hop_ended, collective)
            connection = self._connections.open(hop.source, hop.target, hop.num_bytes, ended, hop.steps)
            collective.connections.append(connection)

    def _hop_ended(self, collective: _Collective, error: ConnectionLost | None) -> None:
        collective.num_under_way -= 1
        if error is not None:
            for connection in collective.connections:
                self._connections.close(connection)
        if error is not None or not collective.num_under_way:
            collective.settle(error)
