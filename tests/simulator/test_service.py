"""Simulated runs against what theory says, and against themselves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import accumulate, pairwise
from math import inf
from pathlib import Path
from statistics import fmean

import pytest

from tests.simulator.simulated_service import Listed, deployment, outcomes
from weft.contracts.events import Event, RequestArrived, RequestEnded, Status, StepRecord
from weft.contracts.prompts import LengthPrompt
from weft.observation.event_log import EventLog
from weft.simulator.request_outcome import TOO_LONG
from weft.simulator.service import simulate_service
from weft.workloads.arrivals import poisson
from weft.workloads.errors import TraceError, WorkloadError
from weft.workloads.generators import fixed_lengths, requests
from weft.workloads.limits import Limited
from weft.workloads.registry import find_workload
from weft.workloads.sessions import Session, Turn

ROOT = Path(__file__).parents[2]


def test_a_request_alone_takes_its_prefill_and_its_decodes() -> None:
    planned, prompt, output = deployment(), 5000, 40
    (only,) = outcomes(planned, Listed([(2.5, prompt, output)]))
    chunks = [(2048, 0), (2048, 2048), (904, 4096)]
    first_s = sum(planned.costs.seconds(n, n == 904, 0, (0,), [(n, before)]) for n, before in chunks)
    rest_s = sum(planned.costs.seconds(1, 1, 1, (prompt + k,)) for k in range(1, output))
    assert only.status is Status.FINISHED
    assert only.output_tokens == output
    assert only.first_token_s == pytest.approx(2.5 + first_s, abs=1e-8)
    assert only.ended_s == pytest.approx(2.5 + first_s + rest_s, abs=1e-7)
    assert sum(count for _, count in only.token_gaps) == output - 1


def test_an_arrival_joins_the_step_after_those_under_way() -> None:
    """Two are in flight when the second comes: the first one's prompt, and its first decode."""
    planned = deployment()
    first, second = outcomes(planned, Listed([(0.0, 100, 3), (0.001, 300, 2)]))
    durations = [
        planned.costs.seconds(100, 1, 0, (0,), [(100, 0)]),
        planned.costs.seconds(1, 1, 1, (101,)),
        planned.costs.seconds(301, 2, 1, (102,), [(300, 0)]),
        planned.costs.seconds(2, 2, 2, (404,)),  # planned before anybody knew that the first had ended
    ]
    ends = list(accumulate(durations))
    assert first.ended_s == pytest.approx(ends[2], abs=1e-8)
    assert second.first_token_s == pytest.approx(ends[2], abs=1e-8)
    assert second.ended_s == pytest.approx(ends[3], abs=1e-8)


def test_nothing_is_lost_under_pressure() -> None:
    """More than fits: sequences are preempted, and every request still gets each of its tokens."""
    planned = deployment(kv_cache_memory_bytes=400 * 2**21, max_model_len=4096)
    load = Listed([(0.001 * number, 200 + number, 100 + number) for number in range(60)])
    found: list[tuple[int, int]] = []
    reports = simulate_service(
        planned, load, lambda each: found.append((each.prompt_tokens, each.output_tokens))
    )
    assert sorted(found) == sorted((prompt, output) for _, prompt, output in load.requests)
    assert reports[0].preemptions > 0
    assert reports[0].kv_usage_peak > 0.9
    assert reports[0].num_requests == 60


def test_swapping_takes_the_time_of_the_host_link() -> None:
    load = Listed([(0.0, 200, 400)] * 40)
    ends = {}
    for preempt in ("latest_first", "latest_first_swap"):
        planned = deployment(
            preempt=preempt,
            kv_cache_memory_bytes=400 * 2**21,
            swap_memory_bytes=2**33,
            max_model_len=4096,
        )
        found = outcomes(planned, load)
        assert all(each.status is Status.FINISHED for each in found)
        ends[preempt] = max(each.ended_s for each in found)
    assert ends["latest_first"] != ends["latest_first_swap"]


def test_a_prompt_that_leaves_no_room_is_refused_and_a_longer_answer_is_cut() -> None:
    planned = deployment(max_model_len=1000)
    too_long, cut = outcomes(planned, Listed([(0.0, 1000, 5), (0.0, 990, 50)]))
    assert (too_long.status, too_long.reason) == (Status.REJECTED, TOO_LONG)
    assert (cut.status, cut.reason, cut.output_tokens) == (Status.FINISHED, "length", 10)


def test_the_mean_number_in_the_system_is_the_rate_times_the_mean_stay() -> None:
    """Little's law, from two sources: steps see the number, requests the stay."""
    arrivals: list[float] = []
    weighted: list[tuple[float, int]] = []

    def watch(_index: int, log: EventLog) -> None:
        log.subscribe(lambda event: arrivals.append(event.time_s), RequestArrived)
        log.subscribe(
            lambda step: weighted.append((step.time_s, step.num_running + step.num_waiting)), StepRecord
        )

    load = find_workload("sharegpt", 20.0, seed=3, num_requests=1200)
    found = outcomes(deployment(), load, watch)
    area = sum(number * (later - now) for (now, number), (later, _) in pairwise(weighted))
    stays = sum(each.ended_s - each.arrival_s for each in found)
    assert len(arrivals) == 1200
    assert area == pytest.approx(stays, rel=0.02)


def test_a_server_of_one_at_a_time_waits_as_a_queue_does() -> None:
    """Request by request as Lindley's recursion, and on average about as Pollaczek and Khinchine say of M/D/1."""
    planned, rho = deployment(max_num_seqs=1, depth=1), 0.5
    service_s = planned.costs.seconds(500, 1, 0, (0,), [(500, 0)])
    load = Limited(requests(poisson(rho / service_s), fixed_lengths(500, 1), seed=3), 3000)
    waits, expected, wait_s, last_s = list[float](), list[float](), 0.0, -inf
    for each in outcomes(planned, load):
        waits.append(each.ended_s - each.arrival_s - service_s)
        wait_s = max(0.0, wait_s + service_s - (each.arrival_s - last_s))
        expected.append(wait_s)
        last_s = each.arrival_s
    assert waits == pytest.approx(expected, abs=1e-5)
    assert fmean(waits) == pytest.approx(rho * service_s / (2 * (1 - rho)), rel=0.15)


@pytest.mark.parametrize(("slow", "fast"), [("a100", "h100"), ("h100", "h200")])
def test_a_faster_device_is_never_slower(slow: str, fast: str) -> None:
    load = find_workload("azure-conv", 20.0, seed=1, num_requests=150)
    slower, faster = (
        {each.request_id: each.ended_s for each in outcomes(deployment(name), load)} for name in (slow, fast)
    )
    assert all(faster[request_id] <= slower[request_id] for request_id in slower)


def test_each_replica_takes_its_share_and_none_knows_of_another() -> None:
    load = Listed([(arrival_s, 100, 10) for arrival_s in (0.0, 0.0, 0.0, 0.01, 0.01, 0.01)])
    alone = outcomes(deployment(), Listed([(0.0, 100, 10), (0.01, 100, 10)]))
    found: list[float] = []
    reports = simulate_service(deployment(replicas=3), load, lambda each: found.append(each.ended_s))
    assert [report.num_requests for report in reports] == [2, 2, 2]
    expected = [alone[0].ended_s] * 3 + [alone[1].ended_s] * 3
    assert found == pytest.approx(expected, abs=2e-4)  # messages take their time


class Conversation:
    name = "conversation"

    def sessions(self) -> Iterator[Session]:
        turns = (Turn(LengthPrompt(50), 5), Turn(LengthPrompt(80), 5, delay_s=3.0))
        yield Session(0, 1.0, turns)


def test_a_later_turn_comes_its_delay_after_the_turn_before() -> None:
    first, second = outcomes(deployment(), Conversation())
    assert second.arrival_s == pytest.approx(first.ended_s + 3.0, abs=1e-8)


def test_a_run_without_requests_and_a_broken_trace_are_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="no request of listed arrives"):
        outcomes(deployment(), Listed([]))
    trace = tmp_path / "trace.csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.0,10,5\nyesterday,1,1\n")
    with pytest.raises(TraceError, match=r"trace.csv, line 3"):
        outcomes(deployment(), find_workload(str(trace)))


LOG_DIGEST = """
import hashlib
from tests.simulator.simulated_service import deployment, outcomes
from weft.workloads.registry import find_workload
digest = hashlib.sha256()
def watch(index, log):
    log.subscribe(lambda event: digest.update(f"{index} {event}".encode()))
outcomes(deployment(replicas=2), find_workload("mooncake-conversation", 6.0, seed=5, num_requests=60), watch)
print(digest.hexdigest())
"""


def log_digest(hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LOG_DIGEST]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=True, cwd=ROOT
    ).stdout


def test_the_same_seed_writes_the_same_log_in_every_process() -> None:
    first, second = log_digest("1"), log_digest("2")
    assert len(first.strip()) == 64
    assert first == second


def test_events_of_a_request_come_once_each() -> None:
    seen: list[Event] = []
    outcomes(deployment(), Listed([(0.0, 10, 3)]), lambda _, log: log.subscribe(seen.append))
    assert [type(event) for event in seen if isinstance(event, RequestArrived | RequestEnded)] == [
        RequestArrived,
        RequestEnded,
    ]


class Sampled:
    """One prompt, and answers to it."""

    name = "sampled"

    def __init__(self, prompt_tokens: int, *lengths: int) -> None:
        self._turn = Turn(LengthPrompt(prompt_tokens), lengths[0], more_output_tokens=lengths[1:])

    def sessions(self) -> Iterator[Session]:
        yield Session(0, 0.0, (self._turn,))


@pytest.mark.parametrize("prompt_tokens", [1, 5, 1600])
def test_samples_compute_their_prompt_once_and_end_each_at_its_length(prompt_tokens: int) -> None:
    lengths, steps = (9, 30, 1), list[StepRecord]()
    (only,) = outcomes(
        deployment(depth=1),
        Sampled(prompt_tokens, *lengths),
        lambda _, log: log.subscribe(steps.append, StepRecord),
    )
    assert (only.status, only.output_tokens) == (Status.FINISHED, sum(lengths))
    assert sum(step.num_tokens for step in steps) == prompt_tokens - 1 + sum(lengths)
    decoding = [step.num_tokens for step in steps[-max(lengths) :]]
    assert decoding == [sum(length > index for length in lengths) for index in range(max(lengths))]


def test_each_sample_is_cut_where_the_model_ends() -> None:
    (only,) = outcomes(deployment(max_model_len=1000), Sampled(990, 4, 50, 11))
    assert only.output_tokens == 4 + 10 + 10
