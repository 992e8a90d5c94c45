import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.log_histogram import RELATIVE_ERROR
from weft.measurement.serving_figures import Latency, RequestTimes, ServingFigures, ServingReport

durations_s = st.floats(1e-6, 1e4)
requests = st.builds(
    lambda arrival_s, waited_s, wrote_s, prompt, output: RequestTimes(
        arrival_s, arrival_s + waited_s, arrival_s + waited_s + wrote_s, prompt, output, [(wrote_s, 2)]
    ),
    *(durations_s, durations_s, durations_s, st.integers(1, 10**5), st.integers(1, 10**4)),
)


def report_of(*times: RequestTimes) -> ServingReport:
    figures = ServingFigures()
    for each in times:
        figures.add(each)
    return figures.report()


def check(latency: Latency | None, exact_s: list[float]) -> None:
    if not exact_s:
        assert latency is None
        return
    assert latency is not None
    assert latency.mean_s == pytest.approx(numpy.mean(exact_s))
    for estimate, percent in ((latency.median_s, 50), (latency.p90_s, 90), (latency.p99_s, 99)):
        assert estimate == pytest.approx(numpy.percentile(exact_s, percent), rel=RELATIVE_ERROR + 1e-6)


@given(st.lists(requests, min_size=1, max_size=40))
def test_figures_are_those_of_numpy(times: list[RequestTimes]) -> None:
    report = report_of(*times)
    check(report.ttft, [each.first_token_s - each.arrival_s for each in times])
    check(report.e2e, [each.last_token_s - each.arrival_s for each in times])
    check(report.itl, [gap_s for each in times for gap_s, count in each.token_gaps for _ in range(count)])
    following = [each for each in times if each.output_tokens > 1]
    check(
        report.tpot,
        [(each.last_token_s - each.first_token_s) / (each.output_tokens - 1) for each in following],
    )


def test_totals_and_speeds() -> None:
    report = report_of(RequestTimes(1.0, 2.0, 3.0, 10, 4), RequestTimes(2.0, 4.0, 6.0, 20, 6))
    assert (report.num_requests, report.duration_s) == (2, 5.0)
    assert (report.prompt_tokens, report.output_tokens) == (30, 10)
    assert (report.requests_per_s, report.output_tokens_per_s, report.total_tokens_per_s) == (0.4, 2.0, 8.0)
    assert report.itl is None


def test_failures_are_counted_by_reason_and_in_nothing_else() -> None:
    figures = ServingFigures()
    figures.add(RequestTimes(0.0, 1.0, 1.0, 5, 1))
    for reason in ("HTTP 429", "HTTP 500", "HTTP 429"):
        figures.fail(reason)
    report = figures.report()
    assert (report.num_requests, report.num_failed) == (1, 3)
    assert report.failures == {"HTTP 429": 2, "HTTP 500": 1}
    assert "  HTTP 429:" in report.as_text()


def test_the_block_has_one_line_per_figure() -> None:
    figures = dict(
        line.rsplit(maxsplit=1)
        for line in report_of(RequestTimes(0.0, 0.5, 2.5, 100, 5, [(0.5, 4)])).as_text().splitlines()
        if ":" in line
    )
    assert figures["Successful requests:"] == "1"
    assert figures["Benchmark duration (s):"] == "2.50"
    assert figures["Output token throughput (tok/s):"] == "2.00"
    assert figures["Total token throughput (tok/s):"] == "42.00"
    for name, value in (("TTFT", "500.00"), ("TPOT", "500.00"), ("ITL", "500.00"), ("E2EL", "2500.00")):
        for of in ("Mean", "Median", "P90", "P99"):
            assert figures[f"{of} {name} (ms):"] == value


def test_json_has_the_names_of_vllm() -> None:
    known = report_of(RequestTimes(0.0, 0.5, 2.5, 100, 5)).as_json()
    assert known["completed"] == 1
    assert known["p99_ttft_ms"] == 500.0
    assert known["median_e2el_ms"] == 2500.0
    assert known["mean_itl_ms"] is None
    assert json.loads(json.dumps(known, allow_nan=False)) == known


def test_nothing_measured_is_no_error() -> None:
    report = ServingFigures().report()
    assert (report.requests_per_s, report.ttft, report.e2e) == (0.0, None, None)
    assert "P99 E2EL (ms):                           –" in report.as_text()
