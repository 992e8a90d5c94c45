"""Points, knees and processes of a sweep."""

import os
from collections.abc import Mapping
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from tests.simulator.simulated_service import MODEL, Listed
from weft.contracts.errors import ConfigurationError, WeftError
from weft.measurement.simulation import simulate
from weft.measurement.sweep import sweep
from weft.measurement.sweep_plan import MOST_POINTS, Span, Values
from weft.measurement.sweep_text import describe_sweep
from weft.measurement.sweep_workers import Point, SweepError, workers

LISTED = Listed([(0.1 * number, 200, 30) for number in range(10)])


ONE_AT_A_TIME: dict[str, Any] = {
    "profiles": "none",
    "max_num_seqs": 1,
    "max_num_batched_tokens": 65536,
    "block_tokens": 4096,
}


@pytest.fixture(scope="module")
def long_prompts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Requests that take a device seconds of prefill, in few steps; their knee is that of one server in line."""
    path = tmp_path_factory.mktemp("traces") / "long.csv"
    path.write_text("num_prefill_tokens,num_decode_tokens\n" + "60000,2\n" * 2000)
    return str(path)


def test_the_package_names_it() -> None:
    assert weft.sweep is sweep
    assert weft.Span is Span


def test_a_grid_has_every_combination_of_the_same_requests() -> None:
    found = weft.sweep(MODEL, "azure-conv", {"rate": (5.0, 50.0), "replicas": (1, 2)}, requests=30)
    assert [dict(point.at) for point in found.points] == [
        {"rate": rate, "replicas": replicas} for rate in (5.0, 50.0) for replicas in (1, 2)
    ]
    assert found.knees == ()
    assert len({point.result.serving.prompt_tokens for point in found.points}) == 1
    alone = weft.simulate(MODEL, "azure-conv", rate=50.0, requests=30, replicas=2)
    assert found.points[-1].result == alone


def test_processes_change_nothing() -> None:
    here, there = (
        weft.sweep(MODEL, LISTED, {"max_num_seqs": (1, 2, 8)}, jobs=jobs, hardware="h200") for jobs in (1, 2)
    )
    assert here == there
    assert here.as_json() == there.as_json()


def test_the_knee_is_where_the_service_is_full(long_prompts: str) -> None:
    told: list[tuple[int, int]] = []
    found = weft.sweep(
        MODEL,
        long_prompts,
        {"rate": Span(0.25, 0.7, 2)},
        duration_s=1200.0,
        progress=lambda *numbers: told.append(numbers),
        **ONE_AT_A_TIME,
    )
    (knee,) = found.knees
    rates = [point.at["rate"] for point in found.points]
    assert rates == sorted(rates)
    overloaded = found.points[-1].half
    assert overloaded is not None
    most_tokens_per_s = overloaded.output_tokens_per_s
    kept = next(point.half for point in found.points if point.at["rate"] == knee.rate_per_s)
    assert kept is not None
    assert 0.93 * most_tokens_per_s <= kept.offered_tokens_per_s <= most_tokens_per_s / 0.95
    assert told[-1] == (len(found.points), len(found.points))
    shown = describe_sweep(found)
    assert shown[0].endswith("keeps up")
    assert any(line.startswith(f"The knee is at {knee.rate_per_s:g} requests/s") for line in shown)


def test_each_combination_has_its_knee(long_prompts: str) -> None:
    over: dict[str, Values] = {"rate": Span(0.4, 0.6, 2), "replicas": (1, 2)}
    found = weft.sweep(MODEL, long_prompts, over, duration_s=600.0, jobs=2, **ONE_AT_A_TIME)
    assert [dict(knee.at) for knee in found.knees] == [{"replicas": 1}, {"replicas": 2}]
    alone, both = found.knees
    assert alone.rate_per_s is not None
    assert (both.kept_up, both.fell_behind) == (0.6, None)
    assert [list(point.at) for point in found.points] == [["rate", "replicas"]] * len(found.points)
    lines = describe_sweep(found)
    assert [line.split()[1] for line in lines[2 : 2 + len(found.points)]] == ["1"] * (
        len(found.points) - 2
    ) + ["2"] * 2


@pytest.mark.parametrize(
    ("span", "said"), [(Span(0.9, 1.0, 2), "below the range"), (Span(0.1, 0.11, 2), "above the range")]
)
def test_a_knee_outside_the_range_is_said_to_be(span: Span, said: str, long_prompts: str) -> None:
    found = weft.sweep(MODEL, long_prompts, {"rate": span}, duration_s=600.0, **ONE_AT_A_TIME)
    assert found.knees[0].rate_per_s is None
    assert len(found.points) == 2
    assert any(said in line for line in describe_sweep(found))


def test_a_trace_too_short_for_the_knee_is_named(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("num_prefill_tokens,num_decode_tokens\n" + "10,2\n" * 100)
    with pytest.raises(SweepError, match=r"rate=1: the last request of short.csv arrives after \d+ s"):
        weft.sweep(MODEL, str(path), {"rate": Span(1.0, 2.0)})


def test_values_of_a_span() -> None:
    assert Span(1.0, 40.0, 3).values() == [1.0, 20.5, 40.0]
    assert Span(1, 4).values() == [1, 2, 3, 4]
    assert Span(0.1, 0.3, 3).values() == [0.1, 0.2, 0.3]
    assert Span(2.0, 40.0).values()[1:3] == [7.429, 12.86]


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 50))
def test_spans_rise_from_end_to_end(low: float, size: float, num_points: int) -> None:
    if low < low + size:
        values = Span(low, low + size, num_points).values()
        assert (values[0], values[-1]) == (low, low + size)
        assert values == sorted({*values})
        assert len(values) <= num_points


@pytest.mark.parametrize(
    ("low", "high", "points", "said"),
    [
        (5, 1, 3, "the range is 5:1"),
        (2, 2, 3, "a higher one after it"),
        (1.0, float("nan"), 3, "finite"),
        (1, 2, 1, "has 1 points"),
        (1, 2, MOST_POINTS + 1, "give 2 to 1000"),
    ],
)
def test_spans_that_are_none(low: float, high: float, points: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Span(low, high, points)


@pytest.mark.parametrize(
    ("over", "arguments", "said"),
    [
        ({}, {}, "nothing is swept over"),
        ({"rate": ()}, {}, "no value is given for rate"),
        ({"hardware": ("h100", "h200")}, {}, "hardware is 'h100'; only numbers can be swept over"),
        ({"rate": (0.0,)}, {}, r"the rate is 0\.0"),
        ({"replicas": (float("inf"),)}, {}, "replicas is inf"),
        ({"rate": (1.0, 2.0)}, {"rate": 3.0}, "given and swept over"),
        ({"seed": range(40), "replicas": range(1, 40)}, {}, "1,560 points"),
        ({"rate": Span(1.0, 2.0)}, {"requests": 10}, "before the knee can be seen"),
        ({"rate": Span(1.0, 2.0)}, {"duration_s": 60.0}, "the knee needs 600 s"),
        ({"rate": Span(1.0, 2.0), "duration_s": (60.0, 700.0)}, {}, "the knee needs 600 s"),
        ({"tp": (1, 3)}, {}, "tp=3: tp is 3; it must divide"),
        ({"max_num_seq": (1, 3)}, {}, "max_num_seq=1: option max_num_seq is unknown"),
        ({"seed": (1,)}, {"jobs": 0}, "jobs is 0"),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    over: Mapping[str, Values], arguments: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.measurement.sweep.simulate", lambda **_: pytest.fail("it ran"))
    with pytest.raises(WeftError, match=said):
        weft.sweep(MODEL, "azure-conv", over, **arguments)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_mistake_in_a_run_names_its_point(jobs: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("num_prefill_tokens,num_decode_tokens\n10,2\n10,-2\n")
    with pytest.raises(SweepError, match=r"^rate=3: .*bad.csv, line 3: column 'num_decode_tokens' is '-2'"):
        weft.sweep(MODEL, str(path), {"rate": (3.0, 3.5)}, jobs=jobs)


def test_what_cannot_be_sent_is_named() -> None:
    class Local(Listed):
        """Of a function: no other process can find it."""

    with pytest.raises(SweepError, match="cannot be sent to another process"):
        weft.sweep(MODEL, Local([(0.0, 1, 1)]), {"replicas": (1, 2)}, jobs=2)


class Fatal(Listed):
    """Ends the process that plays it, as the kernel does where memory runs out."""

    def sessions(self) -> Any:
        os._exit(9)


def test_a_process_that_dies_is_told_of() -> None:
    with pytest.raises(SweepError, match="a process of the sweep died"):
        weft.sweep(MODEL, Fatal([]), {"replicas": (1, 2)}, jobs=2)


class Broken(Listed):
    """A workload with a defect."""

    def sessions(self) -> Any:
        raise ZeroDivisionError("in here")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_defect_comes_with_its_traceback(jobs: int) -> None:
    with pytest.raises(
        RuntimeError, match=r"(?s)replicas=1, seed=. failed:\nTraceback.*ZeroDivisionError: in here"
    ):
        weft.sweep(MODEL, Broken([]), {"replicas": (1,)} | {"seed": (0, 1)}, jobs=jobs)


def interrupted_sweep() -> None:
    with workers(2, lambda: None, simulate) as run_all:
        run_all([Point({"replicas": 1}, {"model": MODEL, "workload": LISTED})] * 2)
        raise KeyboardInterrupt


def test_no_process_outlives_an_exception() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_sweep()
    assert active_children() == []
