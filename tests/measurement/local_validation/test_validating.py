"""The parts of a validation on this machine, and one of a tiny model from beginning to end."""

import json
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import fmean, median

import pytest

from tests.executor.tiny_serving import save_tiny
from weft.contracts.errors import ConfigurationError, WeftError
from weft.contracts.events import ComputedUnits, StepRecord
from weft.measurement.calibration import CalibrationSettings
from weft.measurement.local_validation import LocalSettings, describe_validation, validate_local
from weft.measurement.local_validation.comparing import FIGURES, compare, figures_of
from weft.measurement.local_validation.orders import Scale, make_orders
from weft.measurement.local_validation.results import LocalValidation
from weft.measurement.local_validation.saturation import answered_per_s
from weft.measurement.serving_figures import RequestTimes
from weft.workloads.fitted import fitted_workload

SCALE = Scale(divisor=8, longest_tokens=1024, vocabulary_tokens=61)


def test_orders_are_the_workload_with_shorter_lengths_at_the_rate_asked_for() -> None:
    made = make_orders("azure-conv", SCALE, rate_per_s=5.0, num_requests=200, seed=3)
    sessions = fitted_workload("azure-conv", 3).sessions()
    for order, session in zip(made.orders, sessions, strict=False):
        (turn,) = session.turns
        assert order.request.prompt.num_tokens == min(
            max(1, turn.prompt.num_tokens // 8), 1024 - order.output_tokens
        )
        assert order.output_tokens == max(1, turn.output_tokens // 8) == order.request.sampling.max_tokens
    assert made.orders[-1].arrival_s == pytest.approx(200 / 5.0)
    assert made == make_orders("azure-conv", SCALE, 5.0, 200, 3)
    assert len({order.request.request_id for order in made.orders}) == 200


def test_the_shape_of_arrivals_does_not_depend_on_the_rate() -> None:
    slow, fast = (make_orders("azure-conv", SCALE, rate, 50, 0).orders for rate in (1.0, 4.0))
    for one, other in zip(slow, fast, strict=True):
        assert one.arrival_s == pytest.approx(4 * other.arrival_s)
        assert one.request == other.request
    assert {order.arrival_s for order in make_orders("azure-conv", SCALE, inf, 50, 0).orders} == {0.0}


def test_what_is_longer_than_the_context_is_cut_and_counted() -> None:
    made = make_orders("azure-conv", replace_longest(64), 1.0, 200, 0)
    lengths = [order.request.prompt.num_tokens + order.output_tokens for order in made.orders]
    assert max(lengths) == 64
    whole = make_orders("azure-conv", replace_longest(1 << 20), 1.0, 200, 0).orders
    too_long = [order for order in whole if order.request.prompt.num_tokens + order.output_tokens > 64]
    assert made.num_capped == len(too_long) > 10
    assert make_orders("azure-conv", replace_longest(1 << 20), 1.0, 200, 0).num_capped == 0


def replace_longest(longest_tokens: int) -> Scale:
    return SCALE._replace(longest_tokens=longest_tokens)


def times(latencies_s: Sequence[float]) -> list[RequestTimes]:
    """Each with a first token after a tenth of its latency, and 11 tokens."""
    return [RequestTimes(10.0, 10.0 + each / 10, 10.0 + each, 5, 11) for each in latencies_s]


def test_figures_and_their_errors() -> None:
    live, simulated = figures_of(times([1.0, 2.0, 4.0])), figures_of(times([1.1, 2.2, 4.4]))
    assert tuple(live) == FIGURES
    assert live["e2e p50"] == pytest.approx(2.0, rel=0.01)
    assert live["tpot p50"] == pytest.approx(0.18, rel=0.01)
    assert live["output tokens/s"] == pytest.approx(33 / 4.0)
    compared = compare([(live, simulated), (live, live), (live, simulated)])
    assert compared["ttft p90"].error == pytest.approx(0.1, abs=0.01)
    assert compared["output tokens/s"].error == pytest.approx(-1 / 11)


def test_outputs_of_one_token_have_no_time_per_token() -> None:
    single = [RequestTimes(0.0, 1.0, 1.0, 5, 1)]
    assert "tpot p50" not in figures_of(single)
    assert "tpot p50" not in compare([(figures_of(single), figures_of(single))])


def step(time_s: float, num_running: int, num_waiting: int) -> StepRecord:
    """Everybody gets a token, and one prompt is computed in part."""
    part = ComputedUnits(0, 0, 8, emits=False, stands=False)
    return StepRecord(time_s, 0, 0.0, num_running + 8, num_running, (part,), (), num_running, num_waiting, 0)


def test_the_knee_is_what_is_answered_while_requests_wait() -> None:
    orders = make_orders("azure-conv", SCALE, inf, 20, 0)
    full = [step(2.0 + 0.5 * index, 8, 3) for index in range(5)]
    steps = [step(0.0, 1, 19), *full, step(5.0, 8, 0), step(9.0, 1, 0)]
    waiting_s, tokens = 3.0, 5 * 8
    assert answered_per_s(steps, orders) == pytest.approx(tokens / waiting_s / orders.mean_output_tokens)
    with pytest.raises(WeftError, match="lower max_num_seqs"):
        answered_per_s([step(0.0, 8, 0), step(1.0, 8, 0)], orders)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"loads": ()}, "no loads"),
        ({"loads": (0.5, -1.0)}, "a load is -1"),
        ({"num_runs": 0}, "num_runs is 0"),
        ({"divisor": 0}, "divisor is 0"),
        ({"duration_s": 0.0}, "duration_s is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        LocalSettings(Path("somewhere"), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> LocalValidation:
    settings = LocalSettings(
        Path(save_tiny(tmp_path_factory.mktemp("models") / "tiny", seed=0)),
        {"num_threads": 1, "max_num_seqs": 4, "block_tokens": 4},
        loads=(0.5, 0.9),
        num_runs=1,
        duration_s=0.2,
        calibration=CalibrationSettings(1.0),
    )
    return validate_local(settings)


def test_a_validation_plays_every_load(found: LocalValidation) -> None:
    assert [run.load for run in found.runs] == [0.5, 0.9]
    assert found.knee_per_s > 0.0
    assert all(run.rate_per_s == pytest.approx(run.load * found.knee_per_s) for run in found.runs)
    assert all(run.num_requests >= 10 for run in found.runs)
    assert all(tuple(run.errors) == FIGURES for run in found.runs)
    assert found.runs[0].num_capped > 0
    assert all(tuple(run.known_speed) == FIGURES and run.slowdown > 0.0 for run in found.runs)
    assert found.runs[0].slowdowns[1] == found.runs[1].slowdowns[0] > 0.0


def test_runs_are_simulated_as_fast_as_the_machine_was_in_the_probes_near_them(
    found: LocalValidation,
) -> None:
    first, last = found.runs
    probes = fmean([*first.slowdowns, last.slowdowns[1]])
    assert [run.expected_slowdown for run in found.runs] == pytest.approx([probes, probes])
    for run in found.runs:
        slower = run.expected_slowdown - 1.0
        assert (run.simulated["e2e p50"] - run.as_calibrated["e2e p50"]) * slower >= 0.0
        assert run.errors["e2e p50"] == run.simulated["e2e p50"] / run.live["e2e p50"] - 1.0


def test_flipped_runs_stand_apart(found: LocalValidation) -> None:
    apart = replace(found, flipped=(False, True))
    assert apart.compared(0.5)
    assert not apart.compared(0.9)
    assert apart.compared(0.9, flipped=True)
    assert len(apart.errors) == len(FIGURES)
    steady = "\n".join(describe_validation(replace(found, flipped=(False, False))))
    assert "flipped probe:" not in steady
    assert "flipped probe:" in "\n".join(describe_validation(apart))


def test_a_machine_that_changes_during_a_run_is_a_flipped_one(found: LocalValidation) -> None:
    run = replace(found.runs[0], bandwidths=(1e10, 1.05e10), slowdowns=(1.10, 1.14))
    assert not run.is_flipped(1e10)
    assert run.is_flipped(2e10)
    for changed in (0.94, 1.06):
        assert replace(run, slowdowns=(1.1, changed * 1.1)).is_flipped(1e10)


def test_a_validation_is_text_and_json(found: LocalValidation) -> None:
    steady = replace(found, flipped=(False, False))
    data = json.loads(json.dumps(steady.as_json(), allow_nan=False))
    assert {"machine", "profile", "settings", "knee_per_s", "median_error", "worst_error"} <= set(data)
    assert data["as_calibrated_worst_error"] == max(steady.as_calibrated_errors)
    assert data["known_speed_median_error"] == median(steady.known_speed_errors)
    assert data["loads"]["0.9"]["runs"].keys() == dict.fromkeys(FIGURES).keys()
    assert [run["flipped"] for run in data["runs"]] == [False, False]
    text = describe_validation(steady)
    assert sum(line.lstrip().startswith("90%") for line in text) == len(FIGURES)
