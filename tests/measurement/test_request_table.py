"""One row for each request, and what the log alone tells of it."""

import copy
from collections import Counter

import pytest

import weft
from tests.simulator.simulated_service import MODEL, Listed, deployment
from weft.contracts.events import Status
from weft.measurement.request_table import MOST_REASONS, NO_REPLICA, RequestTable
from weft.measurement.simulation import simulate_deployment
from weft.simulator.request_outcome import RequestOutcome


def test_rows_add_up_to_the_figures() -> None:
    result = weft.simulate(MODEL, "azure-conv", rate=30.0, requests=80, replicas=2)
    table = result.requests
    assert len(table) == 80
    assert {len(column) for column in table.columns().values()} == {80}
    assert sum(table.output_tokens) == result.serving.output_tokens
    assert sum(table.prompt_tokens) == result.serving.prompt_tokens
    served = Counter(table.replica)
    assert [served[0], served[1]] == [report.num_requests for report in result.replicas]
    ttft = [table.first_token_s[row] - table.arrival_s[row] for row in table.answered()]
    assert result.serving.ttft is not None
    assert sum(ttft) / len(ttft) == pytest.approx(result.serving.ttft.mean_s)
    assert sorted(table.session) == list(range(80))


def test_cached_tokens_and_preemptions_are_those_of_the_replicas() -> None:
    cached = weft.simulate(MODEL, "mooncake-conversation", rate=2.0, requests=40)
    found = sum(report.prefix_hit_tokens for report in cached.replicas)
    assert sum(cached.requests.cached_tokens) == found > 0
    load = Listed([(0.0, 900, 400), (0.0, 900, 400), (0.0, 900, 400)])
    planned = deployment(max_model_len=2000, kv_cache_memory_bytes=320 << 20)
    short = simulate_deployment(MODEL, planned, load)
    assert sum(short.requests.preemptions) == short.preemptions > 0


def test_what_reached_no_replica_says_so() -> None:
    result = weft.simulate(MODEL, Listed([(0.0, 3000, 5), (0.0, 10, 5)]), max_model_len=2000)
    table = result.requests
    assert (table.status(0), table.replica[0]) == (Status.REJECTED, NO_REPLICA)
    assert "no room for output" in table.reason(0)
    assert table.first_token_s[0] != table.first_token_s[0]  # not a number
    assert list(table.answered()) == [1]
    assert table == copy.deepcopy(table)
    assert table != RequestTable()


def test_reasons_are_bounded() -> None:
    table = RequestTable()
    for number in range(3 * MOST_REASONS):
        table.add(
            RequestOutcome(f"{number}.0", Status.FAILED, f"step {number}", 0.0, None, 1.0, 1, 0, ()), 0, 0, 0
        )
    assert len(table.reasons) == MOST_REASONS + 1
    assert table.reason(3) == "step 3"
    assert table.reason(3 * MOST_REASONS - 1) == "other"
