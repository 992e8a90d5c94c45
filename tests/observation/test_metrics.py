import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observation.histories import History
from weft.contracts.events import (
    ComputedUnits,
    DraftVerified,
    Event,
    FirstToken,
    PrefixLookup,
    RequestArrived,
    RequestEnded,
    Status,
    StepRecord,
    TransferEnded,
    TransferStarted,
    Transition,
)
from weft.contracts.transfers import TransferKind
from weft.observation.event_log import EventLog
from weft.observation.metrics import EngineMetrics

WAITING, RUNNING, PREEMPTED = Status.WAITING, Status.RUNNING, Status.PREEMPTED


def fold(*events: Event) -> EngineMetrics:
    log = EventLog(capacity=0)
    metrics = EngineMetrics(log)
    for event in events:
        log.record(event)
    return metrics


def arrive(request_id: str = "a", time_s: float = 0.0) -> RequestArrived:
    return RequestArrived(time_s, request_id, "tenant", 10, 5)


def move(time_s: float, before: Status | None, after: Status, reason: str = "reason") -> Transition:
    return Transition(time_s, "a", 1, before, after, reason)


def end(status: Status, reason: str, time_s: float = 5.0, request_id: str = "a") -> RequestEnded:
    return RequestEnded(time_s, request_id, status, reason, 3)


@given(seed=st.integers(0, 10**6), ends_first=st.booleans())
def test_counts_agree_with_the_history(seed: int, ends_first: bool) -> None:
    history = History(seed, ends_first=ends_first)
    metrics = fold(*history.events)
    firsts = [event for event in history.events if isinstance(event, FirstToken)]
    steps = [event for event in history.events if isinstance(event, StepRecord)]
    ended = (
        metrics.request_success,
        metrics.requests_rejected,
        metrics.requests_failed,
        metrics.requests_cancelled,
    )
    assert metrics.generation_tokens.value == sum(len(output.token_times) for output in history.outputs)
    assert metrics.time_to_first_token_seconds.count == len(firsts)
    assert metrics.prompt_tokens.value == 100 * len(firsts)
    assert metrics.step_seconds.count == len(steps)
    assert sum(counter.value for counter in ended) == history.num_requests
    assert metrics.e2e_request_latency_seconds.count == metrics.request_success.value
    assert metrics.num_unfinished == 0


def test_times_of_a_request() -> None:
    metrics = fold(
        arrive(time_s=1.0),
        move(1.0, None, WAITING),
        move(1.5, WAITING, RUNNING),
        FirstToken(3.0, "a"),
        move(3.5, RUNNING, PREEMPTED),
        move(4.0, PREEMPTED, RUNNING),
        end(Status.FINISHED, "stop", time_s=9.0),
    )
    assert (metrics.request_queue_time_seconds.count, metrics.request_queue_time_seconds.sum) == (1, 0.5)
    assert (metrics.time_to_first_token_seconds.count, metrics.time_to_first_token_seconds.sum) == (1, 2.0)
    assert (metrics.e2e_request_latency_seconds.count, metrics.e2e_request_latency_seconds.sum) == (1, 8.0)
    assert metrics.request_success.by_label == {"stop": 1}
    assert metrics.num_preemptions.by_label == {"reason": 1}


def test_a_prompt_without_output_counts_at_its_end() -> None:
    silent = RequestEnded(5.0, "a", Status.FINISHED, "length", 0)
    assert fold(arrive(), silent).prompt_tokens.value == arrive().prompt_tokens
    assert fold(arrive(), end(Status.FINISHED, "stop")).prompt_tokens.value == 0


def test_several_samples_queue_once() -> None:
    second = Transition(3.0, "a", 2, WAITING, RUNNING, "admitted")
    metrics = fold(arrive(), move(2.0, WAITING, RUNNING), second)
    assert (metrics.request_queue_time_seconds.count, metrics.request_queue_time_seconds.sum) == (1, 2.0)


def test_a_failed_return_is_no_preemption() -> None:
    lost, failed = move(1.0, RUNNING, PREEMPTED, "no blocks"), move(2.0, Status.BLOCKED, PREEMPTED, "failed")
    metrics = fold(arrive(), lost, failed)
    assert metrics.num_preemptions.by_label == {"no blocks": 1}


@pytest.mark.parametrize(
    ("status", "counter"),
    [
        (Status.FINISHED, "request_success"),
        (Status.REJECTED, "requests_rejected"),
        (Status.FAILED, "requests_failed"),
        (Status.CANCELLED, "requests_cancelled"),
    ],
)
def test_each_end_is_counted_by_reason(status: Status, counter: str) -> None:
    metrics = fold(arrive(), end(status, "why"), arrive("b"), end(status, "else", request_id="b"))
    counts = {name: getattr(metrics, name).by_label for name in ENDS}
    assert counts.pop(counter) == {"why": 1, "else": 1}
    assert [*counts.values()] == [{}, {}, {}]
    assert metrics.e2e_request_latency_seconds.count == (2 if status is Status.FINISHED else 0)


ENDS = ("request_success", "requests_rejected", "requests_failed", "requests_cancelled")


def test_a_step_sets_gauges_and_counts_tokens() -> None:
    entries = (ComputedUnits(1, 0, 8, True, True), ComputedUnits(2, 0, 8, False, False))
    metrics = fold(arrive(), move(0.0, None, RUNNING), StepRecord(2.0, 0, 1.75, 20, 4, entries, (), 6, 7, 8))
    assert metrics.generation_tokens.value == 5
    assert metrics.step_seconds.sum == 0.25
    gauges = metrics.num_requests_running, metrics.num_requests_waiting, metrics.kv_cache_blocks_used
    assert [gauge.value for gauge in gauges] == [6, 7, 8]


def test_a_failed_step_brought_no_token_and_has_no_duration() -> None:
    entries = (ComputedUnits(1, 0, 8, True, True),)
    record = StepRecord(2.0, 0, 1.75, 20, 4, entries, (), 6, 7, 8, failed=True)
    metrics = fold(arrive(), move(0.0, None, RUNNING), record)
    assert (metrics.steps_failed.value, metrics.step_seconds.count) == (1, 0)
    assert metrics.generation_tokens.value == 0
    assert metrics.num_requests_running.value == 6


def test_an_idle_engine_shows_no_requests() -> None:
    record = StepRecord(2.0, 0, 1.75, 20, 4, (), (), 6, 7, 8)
    metrics = fold(arrive(), arrive("b"), record, end(Status.FINISHED, "stop"))
    assert (metrics.num_requests_running.value, metrics.num_requests_waiting.value) == (6, 7)
    metrics = fold(arrive(), record, end(Status.FINISHED, "stop"))
    assert (metrics.num_requests_running.value, metrics.num_requests_waiting.value) == (0, 0)


def test_standing_sequences_feed_the_time_between_tokens() -> None:
    joins = ComputedUnits(1, 0, 8, True, True)
    metrics = fold(
        move(0.0, None, RUNNING),
        StepRecord(1.0, 0, 0.5, 8, 0, (joins,), (), 1, 0, 1),
        StepRecord(1.5, 1, 1.0, 1, 1, (), (), 1, 0, 1),
    )
    intervals = metrics.inter_token_latency_seconds
    assert (intervals.count, intervals.sum) == (1, 0.5)


def test_prefix_cache_counts_tokens() -> None:
    metrics = fold(PrefixLookup(1.0, "a", 1, 100, 32), PrefixLookup(2.0, "a", 1, 50, 0))
    assert (metrics.prefix_cache_queries.value, metrics.prefix_cache_hits.value) == (150, 32)


def test_drafts_bring_tokens() -> None:
    metrics = fold(DraftVerified(1.0, "a", 1, 5, 3), DraftVerified(1.0, "a", 1, 5, 0))
    assert (metrics.draft_tokens.value, metrics.draft_accepted.value) == (10, 3)
    assert metrics.generation_tokens.value == 3


def test_transfers_are_counted_by_kind_when_they_end() -> None:
    metrics = fold(
        TransferStarted(1.0, 1, TransferKind.SWAP_OUT, 1, 3),
        TransferStarted(1.0, 2, TransferKind.SWAP_OUT, 1, 3),
        TransferStarted(1.0, 3, TransferKind.SWAP_IN, 1, 3),
        TransferEnded(2.0, 1, None),
        TransferEnded(2.0, 2, "checksum differs"),
        TransferEnded(2.0, 99, None),
    )
    assert metrics.transfers.by_label == {"swap out": 2}
    assert metrics.transfers_failed.by_label == {"swap out": 1}


def test_events_of_requests_that_arrived_before_are_harmless() -> None:
    metrics = fold(move(1.0, WAITING, RUNNING), FirstToken(2.0, "a"), end(Status.FINISHED, "stop"))
    assert metrics.request_success.value == 1
    assert metrics.time_to_first_token_seconds.count == 0
    assert metrics.prompt_tokens.value == 0
