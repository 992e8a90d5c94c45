"""Servers are given the same loads in turns; the objective comes from the others; who fails is named."""

import asyncio
from collections.abc import Sequence

import pytest

from weft.contracts.errors import ConfigurationError
from weft.measurement.peers.driver_process import PeerFailed
from weft.measurement.peers.serving_load import Asked, Objective, Served, judged, load_requests
from weft.measurement.peers.serving_report import serving_as_json, serving_as_markdown
from weft.measurement.peers.serving_turns import ServingOutcome, ServingPlan, take_loads

PLAN = ServingPlan((1.0, 8.0), 12, 0, None)


class OneByOne:
    """Serves requests in order of arrival, one at a time; fails from call `fails_at` on."""

    def __init__(self, prompt_s: float, token_s: float, fails_at: int = 1000) -> None:
        self._prompt_s, self._token_s, self._left = prompt_s, token_s, fails_at
        self.loads: list[Sequence[Asked]] = []

    async def serve(self, load: Sequence[Asked]) -> list[Served]:
        self._left -= 1
        if self._left < 0:
            raise PeerFailed("the connection broke")
        self.loads.append(load)
        free_s, served = 0.0, []
        for asked in load:
            first_s = max(free_s, asked.arrival_s) + self._prompt_s
            free_s = first_s + self._token_s * (asked.output_tokens - 1)
            served.append(Served(first_s, free_s, asked.output_tokens))
        return served


def compared(
    plan: ServingPlan = PLAN, fails_at: int = 1000
) -> tuple[ServingOutcome, dict[str, OneByOne], list[str]]:
    services = {
        "weft-server": OneByOne(0.02, 0.002),
        "llama-server": OneByOne(0.1, 0.01, fails_at),
        "openvino-genai": OneByOne(0.05, 0.02),
    }
    told: list[str] = []
    peers = ["llama-server", "openvino-genai"]
    outcome = asyncio.run(take_loads(services, peers, plan, told.append, {}))
    return outcome, services, told


def test_the_objective_is_twice_the_best_of_the_others_in_each_respect() -> None:
    outcome, _, told = compared()
    assert outcome.objective == pytest.approx((0.1, 0.02))
    assert outcome.alone["weft-server"] == pytest.approx((0.02, 0.002))
    assert told.index("objective: TTFT 100 ms, TPOT 20.0 ms") < told.index(
        next(line for line in told if line.startswith("1 requests/s, weft-server: goodput "))
    )
    fixed, services, _ = compared(ServingPlan((1.0,), 5, 0, Objective(1.0, 2.0)))
    assert (fixed.objective, fixed.alone) == (Objective(1.0, 2.0), {})
    assert len(services["weft-server"].loads) == 2


def test_all_get_the_same_loads_and_no_prompt_comes_again() -> None:
    _, services, _ = compared()
    ours, *others = [service.loads for service in services.values()]
    assert all(other == ours for other in others)
    prompts = [tuple(asked.prompt) for load in ours for asked in load if len(asked.prompt) > 3]
    assert len(prompts) == len(set(prompts)) > 30


def test_a_request_counts_where_it_meets_both_objectives() -> None:
    asked = [Asked(at_s, [1], 3) for at_s in (1.0, 2.0, 3.0, 4.0)]
    served = [Served(1.1, 1.3, 3), Served(2.3, 2.4, 3), Served(3.1, 3.9, 3), Served(4.2, 5.0, 3)]
    found = judged(asked, served, Objective(0.15, 0.11))
    assert found.share_in_time == 0.25
    assert found.goodput_per_s == pytest.approx(1 / 4)
    assert found.output_tokens_per_s == pytest.approx(3.0)
    assert (found.ttft_p50_s, found.ttft_p99_s) == pytest.approx((0.1, 0.3))
    assert found.tpot_p99_s == pytest.approx(0.4)


def test_lengths_are_those_of_the_workload_divided_and_the_same_at_all_rates() -> None:
    slow, fast = load_requests(1.0, 50, 0, "a"), load_requests(4.0, 50, 0, "b")
    assert [(len(each.prompt), each.output_tokens) for each in slow] == [
        (len(each.prompt), each.output_tokens) for each in fast
    ]
    assert [each.prompt for each in slow] != [each.prompt for each in fast]
    assert fast[-1].arrival_s < slow[-1].arrival_s
    assert 60 < sum(len(each.prompt) for each in slow) / 50 < 300


def test_the_table_has_a_row_per_engine_and_rate_and_the_ratio() -> None:
    outcome, _, _ = compared()
    lines = serving_as_markdown(outcome).splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:8]] == [
        [f"| {name}", rate]
        for name in ("weft-server", "llama-server", "openvino-genai")
        for rate in ("1", "8")
    ]
    best = serving_as_json(outcome)["best_goodput_per_s"]
    ratio = best["weft-server"] / best["llama-server"]
    assert f"- over HTTP: Weft over the other {ratio:.2f}" in lines
    assert "- in process: nothing to compare" in lines


def test_who_fails_is_named_and_asked_no_more() -> None:
    outcome, _, _ = compared(fails_at=3)
    assert outcome.failures == {"llama-server": "the connection broke"}
    assert outcome.objective == pytest.approx((0.1, 0.04))
    assert set(outcome.loads[8.0]) == {"weft-server", "openvino-genai"}
    assert "*llama-server* is missing: the connection broke" in serving_as_markdown(outcome)


def test_without_others_an_objective_must_be_given() -> None:
    with pytest.raises(ConfigurationError, match="give --ttft-ms and --tpot-ms"):
        asyncio.run(take_loads({"weft-server": OneByOne(1, 1)}, [], PLAN, lambda _: None, {}))
