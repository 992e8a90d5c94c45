"""A network on which concurrent flows share channels fairly, in virtual time.

Shares are max-min fair and found by progressive filling (Bertsekas and Gallager, Data Networks, 2nd edition, 1992,
section 6.5.2): all rates grow alike, and those of the flows through a channel stop when it is full. A flow stands for
a stream of packets; what it takes is its bytes over its rate, and then the latency of its route for the last of them.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush

from weft.contracts.errors import ConfigurationError
from weft.simulator.agenda import Handle
from weft.simulator.virtual_time import running_agenda

Arrived = Callable[[], object]
"""Told when the last byte of a flow has arrived."""


class Channel:
    """One direction of a link; `FlowNetwork.channel` makes them. `number`: counts those of its network from 0.

    `bandwidth` (bytes per second) and `latency_s` as they are now. `carried_bytes`: of the flows that have left it.
    """

    __slots__ = (
        "_bandwidth",
        "_latency_s",
        "bandwidth",
        "carried_bytes",
        "flows",
        "latency_s",
        "name",
        "number",
    )

    def __init__(self, name: str, number: int, bandwidth: float, latency_s: float) -> None:
        if not 0.0 < bandwidth < float("inf") or not 0.0 <= latency_s < float("inf"):
            raise ConfigurationError(
                f"channel {name!r} has bandwidth {bandwidth} and latency {latency_s} s; give a finite bandwidth above "
                "0 and a finite latency of at least 0"
            )
        self.name, self.number = name, number
        self.bandwidth = self._bandwidth = bandwidth
        self.latency_s = self._latency_s = latency_s
        self.carried_bytes = 0.0
        self.flows: dict[Flow, None] = {}

    def slow(self, factor: float) -> None:
        """See `FlowNetwork.slow`."""
        self.bandwidth, self.latency_s = self._bandwidth / factor, self._latency_s * factor


Route = Sequence[Channel]
"""The channels that a flow passes, each once; none between actors that share a process."""


class Flow:
    """Bytes on their way; `FlowNetwork.start` makes them. `rate`: bytes per second now; 0 from the start until the
    shares are next worked out, at the same time, and again from its last byte on."""

    __slots__ = ("arrived", "hops", "num_bytes", "rate", "remaining_bytes", "route", "since_ns", "timer")

    def __init__(self, route: Route, num_bytes: float, arrived: Arrived, hops: int) -> None:
        self.route, self.num_bytes, self.arrived, self.hops = route, num_bytes, arrived, hops
        self.rate = 0.0
        self.remaining_bytes = float(num_bytes)
        self.since_ns = 0
        self.timer: Handle | None = None


class FlowNetwork:
    """Channels and the flows on them, on the running virtual-time loop.

    Where a flow begins or ends, the shares of all flows that it is connected with through common channels are worked
    out anew, once for all that happens at one time. They do not depend on the order in which the flows were started.
    """

    def __init__(self) -> None:
        self._agenda = running_agenda()
        self._num_channels = 0
        self._changed: dict[Channel, None] = {}

    def channel(self, name: str, bandwidth: float, latency_s: float) -> Channel:
        """A new one; raises `ConfigurationError` for a bandwidth or latency that cannot be."""
        self._num_channels += 1
        return Channel(name, self._num_channels - 1, bandwidth, latency_s)

    def slow(self, channel: Channel, factor: float) -> None:
        """Divide the bandwidth and multiply the latency that it was made with; 1 puts them back."""
        channel.slow(factor)
        self._ask(channel)

    def start(self, route: Route, num_bytes: float, arrived: Arrived, hops: int = 1) -> Flow:
        """Begin to send; `arrived` is told when the last byte has passed, and the latency of the route `hops` times.

        Raises `ConfigurationError` for a route that passes a channel twice and for a size below 0.
        """
        if num_bytes < 0 or len(dict.fromkeys(route)) < len(route):
            names = ", ".join(channel.name for channel in route)
            raise ConfigurationError(
                f"a flow of {num_bytes} bytes over {names or 'no channel'}; give at least 0 bytes and each channel once"
            )
        flow = Flow(route, num_bytes, arrived, hops)
        if num_bytes and route:
            self._join(flow)
        else:
            self._land(flow)
        return flow

    def cancel(self, flow: Flow) -> None:
        """Send no more of it, and do not tell that it arrived, unless it has."""
        if flow.timer is not None:
            flow.timer.cancel()
        if flow.route and flow in flow.route[0].flows:
            self._leave(flow)

    def _join(self, flow: Flow) -> None:
        flow.since_ns = self._agenda.now_ns
        for channel in flow.route:
            channel.flows[flow] = None
        self._ask(flow.route[0])

    def _leave(self, flow: Flow) -> None:
        _take_stock(flow, self._agenda.now_ns)
        flow.rate = 0.0
        for channel in flow.route:
            del channel.flows[flow]
            channel.carried_bytes += flow.num_bytes - flow.remaining_bytes
            self._ask(channel)

    def _sent(self, flow: Flow) -> None:
        flow.rate = flow.remaining_bytes = 0.0  # all of it, whatever rounding to nanoseconds has left
        self._leave(flow)
        self._land(flow)

    def _land(self, flow: Flow) -> None:
        latency_s = flow.hops * sum(channel.latency_s for channel in flow.route)
        flow.timer = self._agenda.call_at_ns(self._agenda.now_ns + round(latency_s * 1e9), flow.arrived)

    def _ask(self, channel: Channel) -> None:
        if not self._changed:
            self._agenda.call_soon(self._share)
        self._changed[channel] = None

    def _share(self) -> None:
        channels = connected(self._changed)
        self._changed.clear()
        for flow, rate in fair_rates(channels).items():
            if rate != flow.rate:
                self._set_rate(flow, rate)

    def _set_rate(self, flow: Flow, rate: float) -> None:
        now_ns = self._agenda.now_ns
        _take_stock(flow, now_ns)
        flow.rate = rate
        if flow.timer is not None:
            flow.timer.cancel()
        end_ns = now_ns + round(flow.remaining_bytes / rate * 1e9)
        flow.timer = self._agenda.call_at_ns(end_ns, self._sent, (flow,))


def _take_stock(flow: Flow, now_ns: int) -> None:
    sent_bytes = flow.rate * (now_ns - flow.since_ns) * 1e-9
    flow.remaining_bytes = max(0.0, flow.remaining_bytes - sent_bytes)
    flow.since_ns = now_ns


def connected(channels: Iterable[Channel]) -> list[Channel]:
    """These channels, and all that share flows with them, directly or through others."""
    found = dict.fromkeys(channels)
    reached, seen = list(found), dict[Flow, None]()
    for channel in reached:
        for flow in channel.flows:
            if flow not in seen:
                seen[flow] = None
                for other in flow.route:
                    if other not in found:
                        found[other] = None
                        reached.append(other)
    return reached


def fair_rates(channels: Sequence[Channel]) -> dict[Flow, float]:
    """Bytes per second of every flow on these channels, which are all that the flows pass."""
    left = {channel: channel.bandwidth for channel in channels}
    counts = {channel: len(channel.flows) for channel in channels}
    rates: dict[Flow, float] = {}
    fullest = [(left[each] / counts[each], each.number, each) for each in channels if counts[each]]
    heapify(fullest)
    while fullest:
        share, number, channel = heappop(fullest)
        if not counts[channel]:
            continue
        grown = left[channel] / counts[channel]
        if grown > share:  # flows that are held back elsewhere leave the others more
            heappush(fullest, (grown, number, channel))
            continue
        for flow in channel.flows:
            if flow not in rates:
                rates[flow] = share
                for passed in flow.route:
                    left[passed] -= share
                    counts[passed] -= 1
    return rates
