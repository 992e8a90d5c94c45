"""From names to one result."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

import weft
from tests.simulator.simulated_service import MODEL, Listed
from weft.contracts.errors import ConfigurationError, WeftError
from weft.measurement.simulation import DEFAULT_REQUESTS, bounded_workload, simulate
from weft.measurement.simulation_text import describe_result
from weft.workloads.limits import Limited


def test_the_package_names_it() -> None:
    assert weft.simulate is simulate


def test_a_result_tells_what_a_service_does_and_costs() -> None:
    result = weft.simulate(MODEL, "azure-conv", rate=20.0, requests=100, replicas=2, hardware="h100")
    serving = result.serving
    assert serving.num_requests == sum(report.num_requests for report in result.replicas) == 100
    assert 0.0 < result.utilisation <= 1.0
    assert 0.0 < result.kv_usage_mean < result.kv_usage_peak < 1.0
    assert result.price_per_hour == pytest.approx(2 * 4.916)
    assert result.joules == pytest.approx(700.0 * sum(report.busy_s for report in result.replicas))
    spent = 2 * 4.916 * serving.duration_s / 3600
    assert result.cost_per_million_output_tokens == pytest.approx(spent * 1e6 / serving.output_tokens)
    assert result.num_devices == 2
    assert serving.itl is not None
    assert serving.ttft is not None


def test_the_same_arguments_give_the_same_result_and_another_seed_another() -> None:
    first, again, other = (weft.simulate(MODEL, "sharegpt", rate=9.0, requests=50, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.serving != other.serving


def test_it_can_be_written_and_shown() -> None:
    result = weft.simulate(MODEL, Listed([(0.0, 100, 20), (1.0, 100, 20)]), hardware="l4", max_model_len=2000)
    written = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert written["completed"] == 2
    assert written["cost_per_million_output_tokens"] is None  # no source states what an L4 costs
    assert written["offered_per_s"] == 1.0
    assert written["replicas"][0]["num_steps"] >= 40
    shown = "\n".join(describe_result(result))
    assert "Cost per million output tokens ($):      –" in shown
    said = {
        "profile": "roofline of L4",
        "server": "vllm",
        "relative_error": 0.92,
        "version": weft.__version__,
    }
    assert written | said == written
    bar = (
        f"Weft {weft.__version__}, profile: roofline of L4, server: vllm: ± 92 % (80 % of what was measured)."
    )
    assert shown.endswith(bar)
    assert describe_result(replace(result, relative_error=None))[-1].endswith("server: vllm: error unknown.")


def test_equal_prefixes_are_found_unless_that_is_off() -> None:
    with_cache, without = (
        weft.simulate(MODEL, "mooncake-conversation", rate=2.0, requests=40, enable_prefix_caching=caching)
        for caching in (True, False)
    )
    assert with_cache.prefix_hit_share > 0.02
    assert without.prefix_hit_share == 0.0
    assert with_cache.serving.num_requests == without.serving.num_requests == 40


def test_a_workload_without_end_is_cut() -> None:
    endless = bounded_workload("azure-conv", None, 0, None, None)
    assert isinstance(endless, Limited)
    assert endless.num_requests == DEFAULT_REQUESTS
    listed = Listed([(0.0, 1, 1)])
    assert bounded_workload(listed, None, 0, None, None) is listed


def test_a_choice_that_is_unknown_is_named() -> None:
    with pytest.raises(ConfigurationError, match="max_num_seqs"):
        weft.simulate(MODEL, "azure-conv", max_num_seq=3)


def test_a_rate_for_a_workload_that_has_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"rate is 3\.0; listed is an object"):
        weft.simulate(MODEL, Listed([(0.0, 1, 1)]), rate=3.0)


@pytest.mark.parametrize("rate", [-1.0, 0.0, float("nan"), 1e9])
def test_absurd_rates_are_refused(rate: float) -> None:
    with pytest.raises(WeftError, match="choose one from"):
        weft.simulate(MODEL, "azure-conv", rate=rate)


def test_a_simulation_needs_no_torch() -> None:
    code = (
        f"import sys, weft; weft.simulate({MODEL!r}, 'azure-conv', requests=3); print('torch' in sys.modules)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout == "False\n"


def test_a_draft_model_and_samples_are_chosen_by_name() -> None:
    load: dict[str, Any] = {"model": "Qwen/Qwen3-8B", "workload": "sharegpt", "rate": 5.0, "requests": 30}
    drafts: dict[str, Any] = {
        "speculative_model": "Qwen/Qwen3-0.6B",
        "num_speculative_tokens": 3,
        "acceptance_rate": 0.8,
    }
    plain, drafted, sampled = (weft.simulate(**load, **more) for more in ({}, drafts, {"n": 3}))
    assert plain.mean_acceptance_length is None
    assert "Mean acceptance length" not in "\n".join(describe_result(plain))
    assert drafted.mean_acceptance_length == pytest.approx((1 - 0.8**4) / (1 - 0.8), rel=0.03)
    assert "Mean acceptance length (tokens):         2.9" in "\n".join(describe_result(drafted))
    assert drafted.serving.output_tokens == plain.serving.output_tokens
    assert drafted.serving.tpot.mean_s < plain.serving.tpot.mean_s  # type: ignore[union-attr]
    assert sampled.serving.output_tokens > 2 * plain.serving.output_tokens
    seeds = [weft.simulate(**load, **drafts, seed=seed) for seed in (1, 1, 2)]
    assert seeds[0] == seeds[1]
    assert seeds[0].replicas[0].accepted_tokens != seeds[2].replicas[0].accepted_tokens


def test_samples_that_no_request_may_ask_for_are_refused() -> None:
    with pytest.raises(WeftError, match="n is 0; a request asks for 1 to 128 samples"):
        weft.simulate(MODEL, "sharegpt", requests=3, n=0)
