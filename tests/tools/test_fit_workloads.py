"""Fitting recovers what a trace was made with."""

import json
from pathlib import Path

import pytest

from tools.fit_workloads import (
    Source,
    arrival_parts,
    conversation_parts,
    find_threads,
    joint,
    operational_times,
    window_counts,
    with_mean,
)
from tools.workload_fit_quality import dispersion, gap_cv
from weft.workloads.distributions import Quantiles
from weft.workloads.fitted import workload_from
from weft.workloads.trace import TraceWorkload

PLAIN = Source("t", "a test", "nobody", "none")


def mooncake(path: Path, *requests: tuple[int, int, list[int]]) -> TraceWorkload:
    rows = (
        {"timestamp": time_s * 1000, "input_length": tokens, "output_length": 100, "hash_ids": hashes}
        for time_s, tokens, hashes in requests
    )
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return TraceWorkload(path)


def test_operational_time_makes_every_window_alike() -> None:
    times_s = [0.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0]
    counts = window_counts(times_s, 10.0)
    assert counts == [4, 2]
    assert operational_times(times_s, counts, 10.0) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_arrivals_at_one_rate_are_fitted_as_such() -> None:
    parts = arrival_parts([number / 4 for number in range(401)], PLAIN._replace(window_s=10.0))
    assert parts["rate_per_s"] == 4.0
    assert parts["profile"] == {"window_s": 10.0, "levels": [40] * 10}
    assert dict.fromkeys(parts["gaps"]["values"]) == {1.0: None}
    coarse = arrival_parts([3.0 * (number // 10) for number in range(401)], PLAIN._replace(window_s=10.0))
    assert coarse["gaps"] == {"gamma_cv": 1.0}


def test_outputs_are_kept_with_their_prompts() -> None:
    prompts = list(range(1, 1001))
    fitted = joint(prompts, [2 * tokens for tokens in prompts])
    assert fitted["prompt"]["values"][0] == 1
    assert fitted["prompt"]["values"][-1] == 1000
    assert [values[0] for values in fitted["outputs"]] == [2 + 200 * tenth for tenth in range(10)]


def test_threads_are_found_through_their_hashes(tmp_path: Path) -> None:
    trace = mooncake(
        tmp_path / "t.jsonl",
        (0, 1300, [0, 1, 2]),
        (10, 1300, [0, 3, 4]),
        (20, 2000, [0, 1, 5, 6]),
        (30, 1000, [0, 7]),
        (50, 2500, [0, 1, 5, 8, 9]),
        *((60 + number, 900, [0, 100 + number]) for number in range(10)),
    )
    threads = find_threads(trace)
    assert [[asked.time_s for asked in thread] for thread in threads[:2]] == [[0.0, 20.0, 50.0], [10.0]]
    assert [len(thread) for thread in threads[2:]] == [1] * 11
    parts = conversation_parts(trace, PLAIN)
    assert parts["conversation"]["turn_weights"] == [12, 0, 1]
    assert parts["conversation"]["later"]["prompt"]["values"][0] == 400
    assert parts["conversation"]["delay_s"]["values"][-1] == 30.0
    workload = workload_from({"name": "t", **parts})
    assert workload.shape.mean_turns == pytest.approx(15 / 13)


def test_published_quantiles_get_the_published_mean() -> None:
    data = with_mean((1, 582, 1427, 2345, 3549, 4096), mean=830.0)
    quantiles = Quantiles.from_data(data)
    assert quantiles.mean == pytest.approx(830.0, abs=0.5)
    assert [quantiles.at(p) for p in (0.5, 0.8, 0.95)] == [582, 1427, 2345]


def test_measures_of_burstiness() -> None:
    regular = [float(number) for number in range(100)]
    assert gap_cv(regular) == 0.0
    assert dispersion(regular, 10.0) == 0.0
    assert dispersion([0.0] * 50 + [20.0] * 50, 10.0) == 25.0
