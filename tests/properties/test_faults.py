"""The N-th call of every fault point fails, for N = 1, 2, 3…: only the request it hits is harmed."""

import pytest

from tests.properties.worlds import play
from weft.contracts.events import Status
from weft.observation.faults import FailNth, FailWith, armed, fault_points

ENGINE_POINTS = [
    name for name in fault_points() if name.partition(".")[0] in ("engine", "policy", "pool", "swap")
]
SEEDS = range(500, 560)


@pytest.fixture(scope="module")
def seeds_that_call() -> dict[str, list[int]]:
    """Per fault point the seeds whose histories reach it."""
    found: dict[str, list[int]] = {name: [] for name in ENGINE_POINTS}
    for seed in SEEDS:
        with armed(FailWith({}, seed)) as plan:
            play(seed)
        for name in ENGINE_POINTS:
            if plan.calls.get(name, 0):
                found[name].append(seed)
    return found


def test_the_engine_has_fault_points() -> None:
    assert len(ENGINE_POINTS) >= 9


@pytest.mark.parametrize("name", ENGINE_POINTS)
def test_the_nth_failure_of_a_point_leaves_integrity(
    name: str, seeds_that_call: dict[str, list[int]]
) -> None:
    num_injected = num_failed = 0
    for seed in seeds_that_call[name][:8]:
        for n in (1, 2, 3, 10):
            with armed(FailNth(name, n)) as plan:
                player = play(seed)
            num_injected += plan.injected.get(name, 0)
            num_failed += Status.FAILED in player.ended.values()
    assert num_injected >= 3, f"{name} was hardly made to fail: the histories do not reach it"
    assert num_failed >= 1


@pytest.mark.parametrize("seed", range(600, 700))
def test_swarms_of_failures_leave_integrity(seed: int) -> None:
    points = {name: 0.02 for index, name in enumerate(ENGINE_POINTS) if (seed >> (index % 5)) & 1}
    with armed(FailWith(points, seed)):
        play(seed)
