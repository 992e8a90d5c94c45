"""A calibration of a tiny model by the real executor: what is asked of it, and what comes out. No figure is tested."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executor.tiny_serving import save_tiny, tiny_serving
from weft.contracts.errors import ConfigurationError, WeftError
from weft.costs.calibrated import EngineWork
from weft.costs.local_profile import read_profile, write_profile
from weft.executor.loading import Serving
from weft.measurement.calibration import CalibrationSettings, calibrate, load_for_calibration
from weft.measurement.calibration.bandwidth import is_flipped, probe_bandwidth
from weft.measurement.calibration.calibrating import PADS_DECODES, TILE_ROWS, limits_of
from weft.measurement.calibration.grid import (
    SETTLING_STEPS,
    STEPS_OF_A_VISIT,
    GridPoint,
    fitted_points,
)
from weft.measurement.calibration.hand_made_steps import StepMaker, write_state
from weft.measurement.calibration.step_times import FEWEST, StepTimer, expected_s, time_steps
from weft.measurement.calibration.swaps import time_swaps
from weft.measurement.calibration.wakings import PAUSES_S, in_groups, time_wakings

POINTS = (
    GridPoint(2, 10),
    GridPoint(3, 20, spread=0.5),
    GridPoint(0, 0, ((7, 5), (2, 0))),
    GridPoint(2, 9, ((5, 3),)),
)


@pytest.fixture
def serving() -> Iterator[Serving]:
    made = tiny_serving(backend="auto", swap_memory_bytes=1 << 14)
    yield made
    made.close()


@pytest.mark.parametrize("point", POINTS)
def test_hand_made_steps_compute_what_the_grid_asks_for(point: GridPoint, serving: Serving) -> None:
    steps = StepMaker(serving).visit(point, 3)
    following = [*[each.num_tokens for each in point.before_each], point.num_tokens]
    settling = [point.num_tokens] * point.settling_steps
    assert [step.num_tokens for step in steps] == [point.num_tokens, *settling, *following * 3, 0]
    results = [serving.executor.runner.execute(step) for step in steps]
    assert [result.number for result in results] == list(range(len(steps)))
    held = [admission.row for step in steps for admission in step.added]
    assert sorted(held) == sorted(row for step in steps for row in step.removed)


def test_visits_follow_each_other_and_are_timed_step_by_step(serving: Serving) -> None:
    async def visit_all() -> list[list[float]]:
        timer = StepTimer(serving)
        return [await timer.visit(point, 3) for point in (*POINTS, *POINTS)]

    times_s = asyncio.run(visit_all())
    assert [len(each) for each in times_s] == [3] * 8
    assert min(min(each) for each in times_s) > 0.0


class SlowTimer(StepTimer):
    """Says that a token takes 0.1 s, and takes a hundredth of that."""

    def __init__(self) -> None:
        self.visited: list[GridPoint] = []

    async def visit(self, point: GridPoint, num_steps: int) -> list[float]:
        self.visited.append(point)
        await asyncio.sleep(0.001 * point.num_tokens)
        return [0.1 * point.num_tokens] * num_steps


def test_what_would_take_too_long_is_left_out(serving: Serving) -> None:
    points, timer = fitted_points(limits_of(serving)), SlowTimer()
    found = asyncio.run(time_steps(timer, points, budget_s=5.0))
    assert len(found) >= FEWEST
    assert max(point.num_tokens for point in found) < max(point.num_tokens for point in points)
    assert all(seconds == pytest.approx(0.1 * point.num_tokens) for point, seconds in found.items())
    assert set(timer.visited) == set(found)


def test_what_pauses_cost_is_told_from_the_shortest_on(serving: Serving) -> None:
    wakings_s = asyncio.run(time_wakings(serving, limits_of(serving), EngineWork(), budget_s=0.1))
    pauses_s = [idle_s for idle_s, _ in wakings_s]
    assert pauses_s == sorted(pauses_s)
    assert len(pauses_s) == len(PAUSES_S)
    assert pauses_s[-1] >= PAUSES_S[-1]
    assert min(more_s for _, more_s in wakings_s) >= 0.0


def test_pauses_are_put_together_by_length_and_what_is_known_is_taken_off() -> None:
    seen = [(0.001 * number, 0.01 * (number // 3)) for number in range(18)]
    found = in_groups(seen, known_s=0.015)
    assert [idle_s for idle_s, _ in found] == pytest.approx([0.001, 0.004, 0.007, 0.01, 0.013, 0.016])
    assert [more_s for _, more_s in found] == pytest.approx([0.0, 0.0, 0.005, 0.015, 0.025, 0.035])
    assert in_groups([], 0.0) == ()


def test_strays_say_nothing_of_a_step() -> None:
    assert expected_s([1.0] * 19 + [99.0]) == 1.0
    assert expected_s([1.0, 3.0]) == 2.0


def test_state_that_steps_read_was_written(serving: Serving) -> None:
    write_state(serving, [GridPoint(2, 10)])
    layers = serving.executor.runner.pools.layers
    written = [state_SGE.ne(0).all(-1).all(-1).tolist() for layer in layers for state_SGE in layer[1:]]
    wanted = 2 * (10 + SETTLING_STEPS + STEPS_OF_A_VISIT + serving.options.block_tokens)
    assert [slots.index(False) for slots in written] == [wanted] * len(written)


def test_backends_are_known_as_they_are() -> None:
    assert PADS_DECODES.keys() == TILE_ROWS.keys()


def test_swaps_are_timed_and_a_failure_is_told(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    assert min(asyncio.run(time_swaps(serving, 0.2))) > 0.0
    monkeypatch.setattr(serving.executor.runner, "move", lambda transfer: 1 / 0)
    with pytest.raises(WeftError, match="transfer from device failed: ZeroDivisionError"):
        asyncio.run(time_swaps(serving, 0.2))


def test_a_calibration_becomes_a_file(tmp_path: Path) -> None:
    directory = Path(save_tiny(tmp_path / "tiny", seed=0))
    serving = load_for_calibration(directory, {"num_threads": 1, "max_num_seqs": 8, "block_tokens": 4})
    said: list[str] = []
    calibration = calibrate("tiny", serving, CalibrationSettings(1.5), said.append)
    profile, num_runs = calibration.profile(), len(calibration.served)
    calibration.serve_more(0.1)
    serving.close()
    assert len(calibration.served) > num_runs
    assert calibration.profile().curve == profile.curve
    write_profile(profile, tmp_path / "profile.json")
    assert read_profile(tmp_path / "profile.json") == profile
    profile.check_model(serving.spec, "tiny")
    assert said == ["memory", "steps", "an engine that serves", "pauses", "transfers"]
    assert profile.serving == {"backend": "cpu", "device": "cpu", "dtype": "float32", "threads": 1}
    assert profile.num_held_out > 0
    assert profile.costs().seconds(100, 1, 0, (0,), [(100, 0)]) > 0.0


def test_there_is_room_to_swap_whatever_was_given(tmp_path: Path) -> None:
    directory = Path(save_tiny(tmp_path / "tiny", seed=0))

    def host_blocks(**given: int) -> int:
        serving = load_for_calibration(directory, given)
        serving.close()
        return min(serving.config.num_host_blocks.values())

    assert host_blocks() == 64
    assert host_blocks(swap_memory_bytes=1 << 14) < 64


@pytest.mark.parametrize("budget_s", [0.0, -1.0, 121.0])
def test_a_budget_is_at_most_two_minutes(budget_s: float) -> None:
    with pytest.raises(ConfigurationError, match="at most 120 seconds"):
        CalibrationSettings(budget_s)


def test_a_probe_far_from_the_usual_is_flipped() -> None:
    assert probe_bandwidth() > 0.0
    assert not is_flipped((9.5e9, 10.5e9), 1e10)
    assert is_flipped((1e10, 8e9), 1e10)
