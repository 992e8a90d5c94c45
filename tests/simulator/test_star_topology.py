"""Routes between nodes, and what passes them takes."""

from collections.abc import Callable

import pytest

from tests.costs.toy_hardware import FAR
from tests.simulator.toy_network import star, times
from weft.cluster.nodes import Node
from weft.contracts.errors import ConfigurationError
from weft.simulator.star_topology import StarTopology
from weft.simulator.virtual_time import run

Mark = Callable[[str], Callable[[], None]]


def test_within_a_node_the_devices_link_between_nodes_the_cards() -> None:
    def play(mark: Mark) -> None:
        topology = star()
        topology.network.start(topology.route("a", "a"), 100, mark("within"))
        topology.network.start(topology.route("a", "b"), 100, mark("between"))

    assert times(play) == {"within": 1.5, "between": 12.0}


def test_a_node_sends_and_gets_at_the_same_time_and_all_its_devices_do() -> None:
    def play(mark: Mark) -> None:
        topology = star(num_devices=4)
        topology.network.start(topology.route("a", "b"), 100, mark("there"))
        topology.network.start(topology.route("b", "a"), 100, mark("back"))
        topology.network.start(topology.route("c", "c"), 100, mark("within"))

    assert times(play) == {"within": 0.75, "there": 4.5, "back": 4.5}


def test_senders_to_one_node_share_its_card() -> None:
    def play(mark: Mark) -> None:
        topology = star()
        for source in ("a", "b"):
            topology.network.start(topology.route(source, "c"), 100, mark(source))

    assert times(play) == {"a": 22.0, "b": 22.0}


def test_pairs_that_share_nothing_share_an_oversubscribed_switch() -> None:
    def play(mark: Mark) -> None:
        topology = star(oversubscription=4.0)
        for source, target in (("a", "b"), ("c", "d")):
            topology.network.start(topology.route(source, target), 100, mark(source))

    assert times(play) == {"a": 22.0, "c": 22.0}


def test_on_a_node_without_hardware_nothing_takes_time() -> None:
    def play(mark: Mark) -> None:
        topology = StarTopology([Node("front"), Node("back")], FAR)
        topology.network.start(topology.route("front", "front"), 10**9, mark("within"))
        topology.network.start(topology.route("front", "back"), 20, mark("between"))

    assert times(play) == {"within": 0.0, "between": 4.0}


def test_a_slowed_node_is_slow_within_and_either_way() -> None:
    def play(mark: Mark) -> None:
        topology = star()
        topology.slow("a", 3.0)
        for source, target in (("a", "a"), ("a", "b"), ("c", "a"), ("b", "d")):
            topology.network.start(topology.route(source, target), 100, mark(source + target))

    assert times(play) == {"aa": 4.5, "bd": 12.0, "ab": 34.0, "ca": 34.0}


def test_topologies_that_cannot_be_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match="two nodes are called 'a'"):
            StarTopology([Node("a"), Node("a")], FAR)
        with pytest.raises(ConfigurationError, match=r"oversubscription is 0\.5"):
            star(oversubscription=0.5)
        with pytest.raises(ConfigurationError, match="node 'x' is unknown; there are a, b, c, d"):
            star().route("a", "x")
        with pytest.raises(ConfigurationError, match="node 'x' is unknown"):
            star().slow("x", 2.0)

    run(main())
