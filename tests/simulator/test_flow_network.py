"""Flows that share channels: hand-made times, and a plain reference."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.toy_network import times
from weft.contracts.errors import ConfigurationError
from weft.simulator.flow_network import Channel, Flow, FlowNetwork, connected, fair_rates
from weft.simulator.virtual_time import run, running_agenda

Mark = Callable[[str], Callable[[], None]]


def test_a_flow_takes_its_bytes_over_its_slowest_channel_and_the_latency_of_all() -> None:
    def play(mark: Mark) -> None:
        network = FlowNetwork()
        route = (network.channel("fast", 100.0, 0.25), network.channel("slow", 10.0, 0.5))
        network.start(route, 40, mark("whole"))

    assert times(play) == {"whole": 4.75}


def test_two_flows_halve_a_channel_until_one_ends() -> None:
    def play(mark: Mark) -> None:
        network = FlowNetwork()
        channel = network.channel("one", 10.0, 0.0)
        network.start((channel,), 20, mark("short"))
        network.start((channel,), 60, mark("long"))

    # 5 bytes/s each for 4 s; then 40 bytes are left, at 10 bytes/s.
    assert times(play) == {"short": 4.0, "long": 8.0}


def test_a_late_flow_slows_one_under_way() -> None:
    def play(mark: Mark) -> None:
        network, agenda = FlowNetwork(), running_agenda()
        channel = network.channel("one", 10.0, 1.0)
        network.start((channel,), 50, mark("first"))
        agenda.call_at(3.0, network.start, ((channel,), 30, mark("second")))

    # 30 bytes alone, 20 at half the rate until 7 s; then the second has 10 left.
    assert times(play) == {"first": 8.0, "second": 9.0}


def test_what_a_flow_cannot_use_goes_to_the_others() -> None:
    def play(mark: Mark) -> None:
        network = FlowNetwork()
        wide, narrow = network.channel("wide", 10.0, 0.0), network.channel("narrow", 2.0, 0.0)
        network.start((wide, narrow), 20, mark("held back"))
        network.start((wide,), 80, mark("free"))

    assert times(play) == {"held back": 10.0, "free": 10.0}


def test_a_flow_of_nothing_takes_the_latency_and_one_over_nothing_no_time() -> None:
    def play(mark: Mark) -> None:
        network = FlowNetwork()
        channel = network.channel("one", 10.0, 0.5)
        network.start((channel,), 0, mark("empty"), hops=3)
        network.start((), 1000, mark("nowhere to pass"))

    assert times(play) == {"nowhere to pass": 0.0, "empty": 1.5}


def test_a_cancelled_flow_leaves_its_share_to_others_and_arrives_never() -> None:
    def play(mark: Mark) -> None:
        network, agenda = FlowNetwork(), running_agenda()
        channel = network.channel("one", 10.0, 1.0)
        cancelled = network.start((channel,), 100, mark("cancelled"))
        landing = network.start((channel,), 5, mark("landing"))
        network.start((channel,), 15, mark("stays"))
        agenda.call_at(2.0, network.cancel, (cancelled,))  # sent by then: 5 of the second, 20/3 of the others
        agenda.call_at(2.0, network.cancel, (landing,))
        agenda.call_at(3.0, network.cancel, (cancelled,))
        agenda.call_at(3.0, lambda: seen.append(channel.carried_bytes))

    seen: list[float] = []
    # 1.5 s at 10/3 bytes/s, 0.5 s at 5; then the rest, 7.5 bytes, at 10.
    assert times(play) == {"stays": 3.75}
    assert seen == [pytest.approx(5 + 7.5 + 15)]


def test_a_slowed_channel_takes_longer_until_it_is_put_back() -> None:
    def play(mark: Mark) -> None:
        network, agenda = FlowNetwork(), running_agenda()
        channel = network.channel("one", 10.0, 1.0)
        agenda.call_at(1.0, network.slow, (channel, 4.0))
        agenda.call_at(5.0, network.slow, (channel, 1.0))
        network.start((channel,), 50, mark("big"))
        network.start((channel,), 0, mark("before"))
        agenda.call_at(2.0, network.start, ((channel,), 0, mark("meanwhile")))

    # 10 bytes in the first second, 10 in the four after it, 30 in three.
    assert times(play) == {"before": 1.0, "meanwhile": 6.0, "big": 9.0}


def test_channels_and_flows_that_cannot_be_are_refused() -> None:
    async def main() -> None:
        network = FlowNetwork()
        channel = network.channel("one", 10.0, 0.0)
        with pytest.raises(ConfigurationError, match="each channel once"):
            network.start((channel, channel), 1, print)
        with pytest.raises(ConfigurationError, match="-1 bytes over one"):
            network.start((channel,), -1, print)
        for bandwidth, latency_s in [(0.0, 0.0), (float("inf"), 0.0), (1.0, -1.0), (float("nan"), 0.0)]:
            with pytest.raises(ConfigurationError, match="channel 'bad' has bandwidth"):
                network.channel("bad", bandwidth, latency_s)

    run(main())


# Worlds of hypothesis: bandwidths, and flows that each pass some channels, begin some time and have a size.
BANDWIDTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)
Plan = tuple[int, int, list[int]]  # begins at (s), size (bytes), channels


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[int], list[Plan]]:
    bandwidths = draw(BANDWIDTHS)
    routes = st.lists(st.integers(0, len(bandwidths) - 1), min_size=1, max_size=3, unique=True)
    plans = st.tuples(st.integers(0, 20), st.integers(1, 100), routes)
    return bandwidths, draw(st.lists(plans, min_size=1, max_size=10))


def water_filling(bandwidths: list[int], routes: dict[int, list[int]]) -> dict[int, Fraction]:
    """Max-min fair rates, written as plainly as can be."""
    left, rates = [Fraction(each) for each in bandwidths], dict[int, Fraction]()
    while open_flows := [flow for flow in routes if flow not in rates]:
        users = {c: [f for f in open_flows if c in routes[f]] for c in range(len(bandwidths))}
        tightest = min((c for c in users if users[c]), key=lambda c: left[c] / len(users[c]))
        share = left[tightest] / len(users[tightest])
        for flow in users[tightest]:
            rates[flow] = share
            for channel in routes[flow]:
                left[channel] -= share
    return rates


def reference_ends(bandwidths: list[int], plans: list[Plan]) -> dict[int, Fraction]:
    """When each flow's last byte is sent, exactly."""
    now, ends = Fraction(0), dict[int, Fraction]()
    waiting = {number: Fraction(plan[0]) for number, plan in enumerate(plans)}
    left: dict[int, Fraction] = {}
    while waiting or left:
        rates = water_filling(bandwidths, {number: plans[number][2] for number in left})
        moments = [*waiting.values(), *(now + left[number] / rates[number] for number in left)]
        then = min(moments)
        left = {number: size - rates[number] * (then - now) for number, size in left.items()}
        ends |= {number: then for number, size in left.items() if size == 0}
        left = {number: size for number, size in left.items() if size}
        left |= {number: Fraction(plans[number][1]) for number, begin in waiting.items() if begin == then}
        waiting = {number: begin for number, begin in waiting.items() if begin != then}
        now = then
    return ends


def played(
    bandwidths: list[int], plans: list[Plan], look: Callable[[list[Channel]], None] = lambda _: None
) -> tuple[dict[int, float], list[Channel]]:
    """When each flow arrived, by its place in `plans`, and the channels; `look` is called often meanwhile."""
    ends: dict[int, float] = {}
    channels: list[Channel] = []

    def arrived(number: int) -> None:
        ends[number] = running_agenda().now_s

    async def main() -> None:
        network, agenda = FlowNetwork(), running_agenda()
        channels.extend(network.channel(str(n), each, 0.0) for n, each in enumerate(bandwidths))
        for number, (begin_s, num_bytes, passed) in enumerate(plans):
            route = [channels[each] for each in passed]
            agenda.call_at(begin_s, network.start, (route, num_bytes, partial(arrived, number)))
        while len(ends) < len(plans):
            await asyncio.sleep(0.25)
            await asyncio.sleep(0)  # the shares are worked out behind all else that is due at this time
            await asyncio.sleep(0)
            look(channels)

    run(main())
    return ends, channels


@given(world=worlds())
def test_flows_end_when_the_reference_says(world: tuple[list[int], list[Plan]]) -> None:
    ends, channels = played(*world)
    expected = reference_ends(*world)
    assert ends == {number: pytest.approx(float(end), abs=1e-7) for number, end in expected.items()}
    for number, channel in enumerate(channels):
        assert channel.carried_bytes == sum(size for _, size, passed in world[1] if number in passed)


@given(world=worlds())
def test_no_channel_is_over_full_and_every_flow_has_one_that_holds_it_back(
    world: tuple[list[int], list[Plan]],
) -> None:
    def look(channels: list[Channel]) -> None:
        for flow in {flow: None for channel in channels for flow in channel.flows}:
            assert any(_is_bottleneck(channel, flow) for channel in flow.route)
        assert all(_load(channel) <= channel.bandwidth * (1 + 1e-12) for channel in channels)

    played(*world, look)


def _load(channel: Channel) -> float:
    return sum(flow.rate for flow in channel.flows)


def _is_bottleneck(channel: Channel, flow: Flow) -> bool:
    is_full = _load(channel) >= channel.bandwidth * (1 - 1e-12)
    return is_full and all(other.rate <= flow.rate * (1 + 1e-12) for other in channel.flows)


@given(world=worlds(), order=st.randoms(use_true_random=False))
def test_the_order_in_which_flows_start_changes_nothing(
    world: tuple[list[int], list[Plan]], order: Random
) -> None:
    bandwidths, plans = world
    places = list(range(len(plans)))
    order.shuffle(places)
    ends, _ = played(bandwidths, plans)
    shuffled, _ = played(bandwidths, [plans[place] for place in places])
    assert {places[number]: end for number, end in shuffled.items()} == ends


def test_a_change_touches_only_what_is_connected_with_it() -> None:
    async def main() -> None:
        network = FlowNetwork()
        channels = [network.channel(str(number), 10.0, 0.0) for number in range(6)]
        for pair in [(0, 1), (1, 2), (3, 4)]:
            network.start([channels[each] for each in pair], 1000, print)
        assert connected(channels[:1]) == channels[:3]
        assert connected(channels[4:5]) == [channels[4], channels[3]]
        assert connected(channels[5:]) == channels[5:]
        await asyncio.sleep(1.0)
        timers = [flow.timer for channel in channels[:3] for flow in channel.flows]
        network.start(channels[3:4], 1000, print)
        await asyncio.sleep(1.0)
        assert timers == [flow.timer for channel in channels[:3] for flow in channel.flows]
        assert sorted(fair_rates(channels[3:5]).values()) == [5.0, 5.0]

    run(main())
