"""Constants that observations were made with are found again."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.measurement.validation.recorded import POINT, STEP, write_run
from tools.fit_servers import MOST_PER_CONFIGURATION, observe, report, report_steps, spread
from tools.server_fits import PARTS, Constants, Observation, calibrating, first_tokens, fit, interval
from weft.measurement.validation.figures import Pair
from weft.measurement.validation.reading import read_runs

TRUE = Constants(1.2, 0.0004, 0.00002)


def observations(constants: Constants = TRUE, number: int = 60) -> list[Observation]:
    made = []
    for index in range(number):
        device_s, sequences = 0.002 + 0.001 * (index % 7), 1 + 37 * index % 256
        measured_s = Observation("", "", device_s, sequences, 1.0).pair(constants).predicted
        made.append(Observation(f"configuration {index}", "a set", device_s, sequences, measured_s))
    return made


@pytest.mark.parametrize("constants", [TRUE, Constants(1.0, 0.0, 0.0), Constants(0.9, 0.002, 0.0)])
def test_constants_are_recovered(constants: Constants) -> None:
    found = fit(observations(constants))
    for each in observations(constants):
        assert each.pair(found).error == pytest.approx(0.0, abs=0.01)


def test_what_all_reduces_take_beyond_a_loop_of_nothing_else_is_found() -> None:
    shares = [0.0, 0.05, 0.1, 0.3] * 15
    true = Constants(1.0, 0.001, 0.0, 1.7)
    made = []
    for each, share in zip(observations(), shares, strict=True):
        reducing = each._replace(all_reduce_s=share * each.device_s)
        made.append(reducing._replace(measured_s=reducing.pair(true).predicted))
    assert fit(made, (0.0, 1e-3, 0.0, 0.1)) == pytest.approx(true, rel=0.01)
    assert made[3].pair(true).predicted == pytest.approx(0.001 + made[3].device_s * (1.0 + 0.7 * 0.3))


def test_a_configuration_that_was_measured_often_counts_once() -> None:
    once = observations(number=10)
    outlier = once[0]._replace(configuration="again", measured_s=10 * once[0].measured_s)
    assert fit([*once, outlier]) == fit([*once, *[outlier] * 50])


def test_four_fifths_lie_in_the_interval() -> None:
    made = [
        each._replace(measured_s=each.measured_s * (1 + 0.01 * index))
        for index, each in enumerate(observations(number=10))
    ]
    assert interval(made, TRUE) == pytest.approx(0.08)
    assert interval(made[:2], TRUE) == pytest.approx(0.01)


def test_of_few_configurations_four_fifths_of_all_lie_in_the_interval_and_each_counts_once() -> None:
    made = [
        each._replace(
            configuration=f"run {index % 2}", measured_s=each.pair(TRUE).predicted * (1 + 0.001 * index)
        )
        for index, each in enumerate(observations(number=100))
    ]
    assert interval(made, TRUE) == pytest.approx(0.079)
    often = [each for each in made if each.configuration == "run 0"]
    assert interval([*made, *often], TRUE) == pytest.approx(0.079)


def test_an_interval_comes_from_what_was_held_out_and_is_tested_on_what_it_does_not_come_from() -> None:
    points = observations()
    first, second = ([each for each in points if each.part == part] for part in ("held out", "held out too"))
    assert calibrating(points, False) == [each for each in points if each in first or each in second]
    assert calibrating(points, False, but="held out") == second
    assert calibrating(points, True) == []
    (run,) = [first[0]._replace(is_step=True)]
    fitted = next(each for each in points if each.part == "fitted")._replace(is_step=True)
    assert calibrating([*points, run, fitted], True) == [run, fitted]
    assert calibrating([*points, run, fitted], True, but="held out") == [fitted]


def test_a_host_that_works_beside_the_devices_is_waited_for_only_where_it_takes_longer() -> None:
    observed = Observation("", "", 0.01, 10, 1.0, overlapped=True)
    assert observed.pair(Constants(1.5, 0.001, 0.0001)).predicted == pytest.approx(0.015)
    assert observed.pair(Constants(1.5, 0.001, 0.01)).predicted == pytest.approx(0.101)


def test_what_a_prompt_takes_before_the_queue_is_found_from_times_to_the_first_token() -> None:
    made = [
        each._replace(
            first_token=Pair(1.2 * each.device_s + 2e-5 * tokens, each.device_s), prompt_tokens=tokens
        )
        for each, tokens in zip(observations(), [1000.0, 2000.0, 8000.0] * 20, strict=True)
    ]
    found = fit(first_tokens(made), (0.0, 0.0, 1e-5, 0.0), Constants(1.2, 0.0, 0.0))
    assert found == pytest.approx((1.2, 0.0, 2e-5, 1.0), rel=0.01)
    assert any(line.startswith("  | TTFT | held out") for line in report(made, "vllm"))
    assert first_tokens(observations()) == []


def test_the_report_has_all_parts() -> None:
    lines = report(observations())
    assert {line.split("|")[2].strip() for line in lines[3:]} == set(PARTS)
    assert "slack=1." in lines[0]
    assert 10 < sum(each.part == "fitted" for each in observations()) < 30


def test_of_a_long_run_steps_all_along_it_are_fitted() -> None:
    steps = [
        each._replace(configuration="one", measured_s=1.0 + index)
        for index, each in enumerate(observations(number=250))
    ]
    fitted = spread([*steps, *observations(number=2)])
    assert MOST_PER_CONFIGURATION == 100
    assert [each.measured_s for each in fitted[:-2]] == [1.0 + 3 * index for index in range(84)]


def test_a_run_of_steps_is_tested_on_the_others() -> None:
    plain = observations(Constants(1.0, 0.0, 0.0))
    steps = [each._replace(is_step=True, configuration="one", all_reduce_s=each.device_s) for each in plain]
    others = [each._replace(configuration="two", measured_s=2 * each.measured_s) for each in steps]
    (first, second, *left_out) = report_steps([*steps, *others])[2:]
    assert [line.split("|")[3].strip() for line in left_out[2:]] == ["0% of ±0.0%", "0% of ±0.0%", "0%"]
    again = [each._replace(configuration="two") for each in steps]
    assert report_steps([*steps, *again])[-1] == "  | all | 120 | 100% |"
    assert "| one | two | 50.0% |" in first
    assert "| two | one | 100.0% |" in second
    assert report_steps(steps) == []


def test_steps_and_points_of_a_server_are_observed(tmp_path: Path) -> None:
    write_run(tmp_path / "steps", "steps", [STEP] * 3)
    write_run(tmp_path / "points", "points", [POINT], {"dp": 2, "ep": 2, "model": "Qwen/Qwen3-30B-A3B"})
    write_run(tmp_path / "others", "points", [POINT], {"server": "sglang"})
    points, *steps = observe(tmp_path, "vllm")
    assert [each.num_sequences for each in (points, *steps)] == [1.0, 8, 8, 8]
    assert [each.is_step for each in (points, *steps)] == [False, True, True, True]
    assert points.measured_s == POINT["tpot_s"]
    assert len({each.configuration for each in steps}) == 1
    assert [run.name for run in read_runs(tmp_path) if replace(run.facts).server == "sglang"] == ["others"]
