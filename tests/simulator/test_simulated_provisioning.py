"""Actors that start cold and end, nodes that fail, and what all that costs, at exact times."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from statistics import mean

import pytest

from weft.cluster.nodes import Node
from weft.contracts.errors import ConfigurationError, StartFailed
from weft.contracts.execution import Provisioning
from weft.observation.conditions import report
from weft.simulator.node_lives import NO_NODE_FAULTS, ColdStart, Lifetime, NodeFaults
from weft.simulator.simulated_provisioning import SimulatedProvisioning
from weft.simulator.virtual_time import run, running_agenda

TEN_S = ColdStart(fixed_s=4.0, load_bytes=600, load_bandwidth=100.0)


class Actor:
    def __init__(self, world: "World", name: str) -> None:
        self._world, self._name = world, name

    def close(self) -> None:
        self._world.note(f"closed {self._name}")


class World:
    """Nodes a, b (3,600 $ per hour each) and c (no price). `seen`: what happened, and when."""

    def __init__(
        self, faults: NodeFaults = NO_NODE_FAULTS, cold_start: ColdStart = TEN_S, seed: int = 0
    ) -> None:
        self.seen: list[tuple[float, str]] = []
        self.nodes = [Node("a", price_per_hour=3600.0), Node("b", price_per_hour=3600.0), Node("c")]
        self.agenda = running_agenda()
        self.provisioning = SimulatedProvisioning(
            self.nodes, self._make, self._lost, self._noticed, cold_start, faults, seed
        )
        self.tasks: list[asyncio.Task[None]] = []

    def note(self, what: str) -> None:
        self.seen.append((self.agenda.now_s, what))

    def _make(self, name: str, node: Node, incarnation: int) -> Actor:
        if name == "unmakeable":
            raise ValueError(name)
        self.note(f"made {name} {incarnation} on {node.name}")
        return Actor(self, name)

    def _lost(self, name: str, incarnation: int, reason: str) -> None:
        self.note(f"lost {name} {incarnation}: {reason}")

    def _noticed(self, name: str, deadline_s: float) -> None:
        self.note(f"notice to {name} until {deadline_s:g}")

    def start(self, name: str, node: str = "a", incarnation: int = 1) -> asyncio.Task[None]:
        async def started() -> None:
            try:
                await self.provisioning.start(name, node, incarnation)
                self.note(f"ready {name}")
            except (StartFailed, ConfigurationError, ValueError) as error:
                self.note(str(error))

        self.tasks.append(asyncio.create_task(started()))
        return self.tasks[-1]

    def look(self) -> None:
        self.note(", ".join(node.name for node in self.nodes if node.is_available))


def seen(play: Callable[[World], Awaitable[object]], **options: object) -> list[tuple[float, str]]:
    async def main() -> list[tuple[float, str]]:
        world = World(**options)  # type: ignore[arg-type]
        await play(world)
        return world.seen

    return run(main())


def refuse(name: str, node: Node, incarnation: int) -> Actor:
    raise AssertionError(f"{name} {incarnation} on {node.name}")


def test_an_actor_is_made_after_its_cold_start() -> None:
    async def play(world: World) -> None:
        provisioning: Provisioning = world.provisioning
        world.start("x")
        await asyncio.sleep(20.0)
        await provisioning.stop("x")
        provisioning.kill("x")

    assert seen(play) == [(10.0, "made x 1 on a"), (10.0, "ready x"), (20.0, "closed x")]


def test_cold_starts_spread_around_their_median_by_the_seed() -> None:
    async def play(world: World) -> None:
        for number in range(101):
            world.start(str(number))
        await asyncio.sleep(1000.0)

    def ready_s(seed: int, spread: float) -> list[float]:
        cold_start = ColdStart(fixed_s=10.0, spread=spread)
        return [when for when, what in seen(play, cold_start=cold_start, seed=seed) if "ready" in what]

    assert ready_s(1, 0.3) == ready_s(1, 0.3) != ready_s(2, 0.3)
    assert 9.0 < ready_s(1, 0.3)[50] < 11.0
    assert ready_s(1, 0.3)[0] < 7.0 < 14.0 < ready_s(1, 0.3)[-1]
    assert ready_s(1, 0.0) == [10.0] * 101


def test_an_actor_that_is_killed_or_lost_before_it_is_ready_never_is() -> None:
    async def play(world: World) -> None:
        for name in ("killed", "crashed", "given up"):
            world.start(name)
        await asyncio.sleep(5.0)
        world.provisioning.kill("killed")
        world.provisioning.crash("crashed")
        world.tasks[2].cancel()
        await asyncio.sleep(95.0)
        assert world.provisioning.cost() == pytest.approx(5.0)
        world.start("given up", incarnation=2)
        await asyncio.sleep(50.0)

    assert seen(play) == [
        (5.0, "actor 'killed' did not start on node 'a': it was ended"),
        (5.0, "actor 'crashed' did not start on node 'a': it crashed"),
        (110.0, "made given up 2 on a"),
        (110.0, "ready given up"),
    ]


def test_a_crash_closes_an_actor_and_is_told() -> None:
    async def play(world: World) -> None:
        await world.start("x")
        world.provisioning.crash("x")
        world.provisioning.crash("x")
        await world.start("x", "b", 2)

    assert seen(play)[2:] == [
        (10.0, "closed x"),
        (10.0, "lost x 1: it crashed"),
        (20.0, "made x 2 on b"),
        (20.0, "ready x"),
    ]


def test_what_an_actor_is_told_that_is_not_there_is_nothing() -> None:
    async def play(world: World) -> None:
        await world.provisioning.stop("x")
        world.provisioning.kill("x")
        world.provisioning.crash("x")
        world.provisioning.notice("x", 3.0)
        await asyncio.sleep(5.0)

    assert seen(play) == []


def test_an_actor_is_lost_when_its_notice_runs_out_unless_it_has_ended() -> None:
    async def play(world: World) -> None:
        for name in ("late", "stopped"):
            world.start(name)
        await asyncio.sleep(15.0)
        world.provisioning.notice("late", 45.0)
        world.provisioning.notice("stopped", 45.0)
        await asyncio.sleep(15.0)
        await world.provisioning.stop("stopped")
        await world.start("stopped", incarnation=2)
        await asyncio.sleep(100.0)

    assert seen(play)[4:] == [
        (15.0, "notice to late until 45"),
        (15.0, "notice to stopped until 45"),
        (30.0, "closed stopped"),
        (40.0, "made stopped 2 on a"),
        (40.0, "ready stopped"),
        (45.0, "closed late"),
        (45.0, "lost late 1: its time ran out"),
    ]


def test_a_node_that_crashes_takes_its_actors_with_it_and_comes_back() -> None:
    async def play(world: World) -> None:
        await world.start("x")
        world.start("starting")
        world.start("elsewhere", "b")
        await asyncio.sleep(5.0)
        world.provisioning.crash_node("a")
        world.provisioning.crash_node("a")
        world.look()
        await world.start("refused")
        await asyncio.sleep(29.0)
        world.look()
        await asyncio.sleep(1.0)
        world.look()
        await world.start("x", incarnation=2)

    assert seen(play, faults=NodeFaults(away_s=30.0))[2:] == [
        (15.0, "closed x"),
        (15.0, "lost x 1: node 'a' is gone"),
        (15.0, "b, c"),
        (15.0, "actor 'starting' did not start on node 'a': node 'a' is gone"),
        (15.0, "actor 'refused' did not start on node 'a': the node is not available"),
        (20.0, "made elsewhere 1 on b"),
        (20.0, "ready elsewhere"),
        (44.0, "b, c"),
        (45.0, "a, b, c"),
        (55.0, "made x 2 on a"),
        (55.0, "ready x"),
    ]


def test_a_node_that_is_reclaimed_gives_notice_first() -> None:
    async def play(world: World) -> None:
        await world.start("x")
        world.provisioning.reclaim_node("a")
        world.provisioning.reclaim_node("a")
        world.look()
        await world.start("refused")
        await asyncio.sleep(119.0)
        world.look()
        await asyncio.sleep(500.0)
        world.look()

    assert seen(play, faults=NodeFaults(notice_s=120.0, away_s=60.0))[2:] == [
        (10.0, "notice to x until 130"),
        (10.0, "b, c"),
        (10.0, "actor 'refused' did not start on node 'a': the node is not available"),
        (129.0, "b, c"),
        (130.0, "closed x"),
        (130.0, "lost x 1: its time ran out"),
        (629.0, "a, b, c"),
    ]


def test_a_node_that_crashes_within_its_notice_is_gone_once() -> None:
    async def play(world: World) -> None:
        world.provisioning.reclaim_node("a")
        await asyncio.sleep(100.0)
        world.provisioning.crash_node("a")
        await asyncio.sleep(50.0)
        world.look()
        await asyncio.sleep(400.0)
        world.look()

    assert seen(play, faults=NodeFaults(away_s=400.0)) == [(150.0, "b, c"), (550.0, "a, b, c")]


def losses(seed: int, faults: NodeFaults, until_s: float) -> list[tuple[float, str]]:
    """When each node took its actor along; a new one is started as soon as it can be."""

    async def play(world: World) -> None:
        while world.agenda.now_s < until_s:
            for node in world.nodes:
                if node.is_available:
                    world.start(node.name, node.name)
            await asyncio.sleep(10.0)

    found = seen(play, faults=faults, cold_start=ColdStart(), seed=seed)
    return [(when, what) for when, what in found if what.startswith("lost")]


def test_nodes_crash_by_a_clock_from_the_seed() -> None:
    faults = NodeFaults(crashes=Lifetime(1000.0), away_s=10.0)
    found = losses(3, faults, 20_000.0)
    assert found == losses(3, faults, 20_000.0) != losses(4, faults, 20_000.0)
    assert 40 < len(found) < 80  # three nodes, about twenty lives each
    both = NodeFaults(crashes=Lifetime(1000.0), reclaims=Lifetime(1e9), away_s=10.0)
    assert losses(3, both, 20_000.0) == found  # no clock shifts another


def test_nodes_are_reclaimed_by_a_clock_and_nothing_befalls_them_once_it_has_healed() -> None:
    faults = NodeFaults(reclaims=Lifetime(1000.0), notice_s=50.0, away_s=10.0, heals_at_s=5000.0)
    found = losses(3, faults, 10_000.0)
    assert all("its time ran out" in what for _, what in found)
    assert 8 < len(found) < 25
    assert 4000.0 < found[-1][0] < 5050.0


def test_crashes_and_reclaims_do_not_come_together() -> None:
    faults = NodeFaults(crashes=Lifetime(1000.0), reclaims=Lifetime(1000.0), notice_s=0.0, away_s=10.0)
    reasons = [what.rpartition(": ")[2] for _, what in losses(3, faults, 20_000.0)]
    assert 30 < sum("is gone" in reason for reason in reasons) < 90
    assert 30 < sum("time ran out" in reason for reason in reasons) < 90


def test_a_node_that_is_not_available_at_first_stays_so() -> None:
    async def main() -> None:
        nodes = [Node("a", is_available=False), Node("b")]
        faults = NodeFaults(crashes=Lifetime(1.0), away_s=5.0)
        provisioning = SimulatedProvisioning(nodes, refuse, print, print, TEN_S, faults)
        provisioning.crash_node("a")
        for _ in range(50):
            await asyncio.sleep(1.0)
            assert not nodes[0].is_available

    run(main())


@pytest.mark.parametrize("shape", [0.7, 1.0, 3.0])
def test_lifetimes_have_their_mean(shape: float) -> None:
    stream = Random("lives")
    assert mean(Lifetime(50.0, shape).seconds(stream) for _ in range(20_000)) == pytest.approx(50.0, rel=0.05)


def test_a_node_costs_while_actors_are_or_start_on_it() -> None:
    async def play(world: World) -> None:
        cost = world.provisioning.cost
        assert cost() == 0.0
        world.start("x")
        await asyncio.sleep(4.0)
        assert cost() == pytest.approx(4.0)
        world.start("y")
        await asyncio.sleep(16.0)
        assert cost() == pytest.approx(20.0)
        world.provisioning.kill("x")
        await asyncio.sleep(10.0)
        assert cost() == pytest.approx(30.0)
        world.provisioning.kill("y")
        await asyncio.sleep(10.0)
        assert cost() == pytest.approx(30.0)
        world.start("z", "b")
        await asyncio.sleep(5.0)
        assert cost() == pytest.approx(35.0)
        world.start("unpriced", "c")
        await asyncio.sleep(5.0)
        assert cost() is None

    seen(play)


def test_an_actor_that_cannot_be_made_is_not_there() -> None:
    async def play(world: World) -> None:
        for _ in range(2):
            await world.start("unmakeable")

    assert seen(play) == [(10.0, "unmakeable"), (20.0, "unmakeable")]


def test_what_cannot_be_started_is_refused() -> None:
    async def play(world: World) -> None:
        await world.start("x")
        await world.start("x")
        await world.start("y", "nowhere")
        with pytest.raises(ConfigurationError, match="node 'nowhere' is unknown; there are a, b, c"):
            world.provisioning.crash_node("nowhere")
        with pytest.raises(ConfigurationError, match="nodes a, a share a name"):
            SimulatedProvisioning([Node("a"), Node("a")], refuse, print, print, TEN_S)

    assert [what for _, what in seen(play)[2:]] == [
        "actor 'x' is there already; end it first, or choose another name",
        "node 'nowhere' is unknown; there are a, b, c",
    ]


def test_what_was_reached_is_counted() -> None:
    async def play(world: World) -> None:
        await world.start("x")
        world.start("y")
        await asyncio.sleep(1.0)
        world.provisioning.crash("x")
        world.provisioning.crash("y")
        await world.start("z", "b")
        world.provisioning.reclaim_node("b")
        world.provisioning.crash_node("c")
        await asyncio.sleep(300.0)

    before = {name: count.hits for name, count in report().items()}
    seen(play, faults=NodeFaults(away_s=30.0))
    hits = {name: count.hits - before[name] for name, count in report().items()}
    assert {name: count for name, count in hits.items() if name.startswith("provisioning: ")} == {
        "provisioning: a node crashed": 1,
        "provisioning: a node was reclaimed": 1,
        "provisioning: a node came back": 2,
        "provisioning: an actor crashed": 2,
        "provisioning: an actor was lost before it was ready": 1,
        "provisioning: an actor met the deadline of its notice": 1,
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ColdStart(fixed_s=-1.0), "fixed_s is -1.0"),
        (lambda: ColdStart(spread=float("inf")), "spread is inf"),
        (lambda: ColdStart(load_bytes=5), "load_bytes and load_bandwidth, or neither"),
        (lambda: ColdStart(load_bandwidth=5.0), "load_bytes and load_bandwidth, or neither"),
        (lambda: ColdStart(load_bytes=5, load_bandwidth=0.0), "load_bandwidth is 0.0"),
        (lambda: Lifetime(0.0), "mean_s 0.0"),
        (lambda: Lifetime(1.0, float("nan")), "shape nan"),
        (lambda: NodeFaults(notice_s=-1.0), "notice_s is -1.0"),
        (lambda: NodeFaults(away_s=0.0), "away_s is 0.0"),
        (lambda: NodeFaults(heals_at_s=float("nan")), "heals_at_s nan"),
    ],
)
def test_figures_that_cannot_be_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
