"""Replicas that are slowed down, as cards have them."""

from collections.abc import Sequence

import pytest

from tests.simulator.simulated_service import Listed, deployment
from weft.papers.clusters import Slowdowns, replicated
from weft.simulator.service import simulate_service
from weft.simulator.simulated_replica import SimulatedReplica
from weft.simulator.virtual_time import running_agenda

LONG = Listed([(500.0, 10, 1)])


def factors(slowdowns: Slowdowns, seed: int, num_replicas: int = 4) -> list[list[float]]:
    """Of each replica, every second."""
    seen: list[list[float]] = []

    def prepare(replicas: Sequence[SimulatedReplica]) -> None:
        slowdowns.begin(replicas, seed)
        for second in range(500):
            running_agenda().call_at(second + 0.5, look, (replicas,))

    def look(replicas: Sequence[SimulatedReplica]) -> None:
        seen.append([replica.executor.slowdown for replica in replicas])

    simulate_service(
        replicated(deployment(), num_replicas, "round_robin"), LONG, lambda _: None, prepare=prepare
    )
    return seen


def test_a_replica_is_slow_for_its_share_of_the_time_at_times_of_its_own() -> None:
    seen = factors(Slowdowns(3.0, 0.25, 4.0), seed=1)
    shares = [sum(each[index] == 3.0 for each in seen) / len(seen) for index in range(4)]
    assert sum(shares) / 4 == pytest.approx(0.25, abs=0.06)
    assert dict.fromkeys(factor for each in seen for factor in each).keys() == {1.0: None, 3.0: None}.keys()
    assert any(each.count(3.0) == 1 for each in seen)


def test_the_seed_says_when() -> None:
    one, same, other = (factors(Slowdowns(3.0, 0.25, 4.0), seed) for seed in (1, 1, 2))
    assert one == same != other


def test_some_are_slow_for_good() -> None:
    assert factors(Slowdowns(2.0, 0.5, 0.0), seed=1) == [[2.0, 2.0, 1.0, 1.0]] * 500


def test_the_mean_speed_is_that_of_the_shares() -> None:
    assert Slowdowns(3.0, 0.25, 4.0).mean_speed == pytest.approx(0.75 + 0.25 / 3)
