from pathlib import Path
from typing import Any

import pytest

from tests.workloads.samples import first, lengths, shared_trace
from tools.workload_fit_quality import Requests, ks_distance, rank_correlation
from weft.workloads.fitted import NAMES, description, fitted_workload
from weft.workloads.limits import Limited
from weft.workloads.trace import TraceWorkload

TRACE_OF = {
    "azure-conv": "azure2023/AzureLLMInferenceTrace_conv.csv",
    "azure-code": "azure2023/AzureLLMInferenceTrace_code.csv",
    "mooncake-conversation": "mooncake/conversation_trace.jsonl",
    "arena": "vtc_arena/requests.parquet",
    "sharegpt": "lengths/sharegpt_V3_lens.parquet",
}
FITTED = tuple(TRACE_OF)


def fit(name: str) -> dict[str, Any]:
    found: dict[str, Any] = description(name)["fit"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_says_where_it_comes_from(name: str) -> None:
    data = description(name)
    assert data["name"] == name
    assert all(len(data[key]) > 2 for key in ("what", "source", "licence"))
    assert fitted_workload(name).rate_per_s == pytest.approx(data["rate_per_s"])


def test_the_names_are_the_files() -> None:
    folder = Path(__file__).resolve().parents[2] / "weft" / "workloads" / "named"
    assert tuple(sorted(path.stem for path in folder.glob("*.json"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_requests_come_at_the_rate_that_is_told(name: str) -> None:
    profile = description(name).get("profile", {"window_s": 400.0, "levels": [1]})
    cycle_s = profile["window_s"] * len(profile["levels"])
    workload = fitted_workload(name, seed=4).at_rate(20_000 / cycle_s)
    sessions = list(Limited(workload, duration_s=cycle_s).sessions())
    turns = len(lengths(sessions)) / len(sessions)  # sessions come by chance, and so many requests with each
    assert len(lengths(sessions)) == pytest.approx(20_000, rel=0.03 * turns**0.5)
    assert min(min(pair) for pair in lengths(sessions[:2000])) >= 1


@pytest.mark.parametrize("name", FITTED)
def test_the_recorded_fit_is_good(name: str) -> None:
    recorded = fit(name)
    assert recorded["ks_prompt"] < 0.05
    assert recorded["ks_output"] < 0.05
    trace, generated = recorded["rank_correlation"]
    assert generated == pytest.approx(trace, abs=0.05)
    for mean in ("mean_prompt", "mean_output"):
        assert recorded[mean][1] == pytest.approx(recorded[mean][0], rel=0.05)


@pytest.mark.parametrize("name", ["azure-conv", "azure-code"])
def test_the_recorded_burstiness_is_kept(name: str) -> None:
    recorded = fit(name)
    for figure in ("gap_cv", "dispersion_1s", "dispersion_10s", "dispersion_60s"):
        assert recorded[figure][1] == pytest.approx(recorded[figure][0], rel=0.2)


@pytest.mark.parametrize("name", FITTED)
def test_another_seed_agrees_with_the_trace_too(name: str) -> None:
    path = shared_trace(TRACE_OF[name])
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
    trace = Requests.of(TraceWorkload(path, untimed_rate_per_s=1.0))
    generated = Requests.of(fitted_workload(name, seed=99), len(trace.prompts))
    assert ks_distance(trace.prompts, generated.prompts) < 0.06
    assert ks_distance(trace.outputs, generated.outputs) < 0.06
    assert generated.reuse_share == pytest.approx(trace.reuse_share, abs=0.06)


def test_burstgpt_has_the_published_quantiles() -> None:
    pairs = lengths(first(fitted_workload("burstgpt"), 20_000))
    prompts, outputs = (sorted(values) for values in zip(*pairs, strict=True))
    for values, published in ((prompts, (582, 1427, 2345, 3549)), (outputs, (243, 434, 669, 964))):
        found = [values[int(share * len(values))] for share in (0.5, 0.8, 0.95, 0.99)]
        assert found == pytest.approx(published, rel=0.05)
    assert sum(prompts) / len(prompts) == pytest.approx(830, rel=0.03)
    assert sum(outputs) / len(outputs) == pytest.approx(271, rel=0.03)


def test_mooncake_shares_its_first_block_and_goes_on_in_conversations() -> None:
    sessions = first(fitted_workload("mooncake-conversation"), 500)
    prompts = [next(iter(session.turns)).prompt for session in sessions]
    assert len({prompt.content_key(0, 512) for prompt in prompts}) == 1
    assert len({prompt.content_key(1, 512) for prompt in prompts}) == 500
    assert any(len(tuple(session.turns)) > 3 for session in sessions)


def test_arena_has_tenants_of_unequal_size() -> None:
    tenants = [session.client.tenant for session in first(fitted_workload("arena"), 3000)]
    assert tenants.count("tenant-0") > 4 * tenants.count("tenant-5") > 0


def test_measures_of_a_fit() -> None:
    assert ks_distance([1, 2, 3, 4], [1, 2, 3, 4]) == 0.0
    assert ks_distance([1, 2], [3, 4]) == 1.0
    assert rank_correlation([1, 2, 3, 3], [10, 20, 30, 30]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [9, 5, 1]) == pytest.approx(-1.0)


def test_generated_agents_are_like_the_recorded_ones() -> None:
    recorded = fit("agents")
    assert recorded["mean_prompt"][1] == pytest.approx(recorded["mean_prompt"][0], rel=0.1)
    assert recorded["mean_output"][1] == pytest.approx(recorded["mean_output"][0], rel=0.1)
    assert recorded["ks_output"] < 0.1
    assert recorded["ks_prompt"] < 0.25  # what is added is drawn without regard to how far a run is
    assert recorded["calls_per_session"][1] == pytest.approx(recorded["calls_per_session"][0], rel=0.05)


def test_pulses_have_ten_times_the_usual_rate_for_five_seconds_of_each_minute() -> None:
    seconds = [each.arrival_s % 60.0 for each in first(fitted_workload("pulses").at_rate(20.0), 20_000)]
    usual, pulse = sum(at < 55.0 for at in seconds) / 55.0, sum(at >= 55.0 for at in seconds) / 5.0
    assert pulse / usual == pytest.approx(10.0, rel=0.1)


def test_turns_of_multi_turn_begin_with_all_that_was_said() -> None:
    for session in first(fitted_workload("multi-turn"), 50):
        prompts = [turn.prompt.num_tokens for turn in session.turns]
        assert 6 <= len(prompts) <= 9
        assert prompts == sorted(prompts)
        assert prompts[0] > 500 + 120
