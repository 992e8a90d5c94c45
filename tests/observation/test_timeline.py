import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observation.histories import History
from weft.contracts.events import (
    ENDS,
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
    WaitReason,
)
from weft.contracts.record import replaced
from weft.contracts.transfers import TransferKind
from weft.observation.timeline import Span, TokenTime, TransferSpan, UnknownRequest, Wait, timeline

WAITING, RUNNING, PREEMPTED = Status.WAITING, Status.RUNNING, Status.PREEMPTED
FINISHED = Status.FINISHED


def move(
    time_s: float, before: Status | None, after: Status, reason: str = "reason", number: int = 1
) -> Transition:
    return Transition(time_s, "a", number, before, after, reason)


def step(number: int, *explicit: ComputedUnits, standing: int = 0, left: tuple[int, ...] = ()) -> StepRecord:
    """The step that ends `number` seconds after the clock's zero."""
    return StepRecord(float(number), number, number - 0.5, 0, standing, explicit, left, 0, 0, 0)


@given(seed=st.integers(0, 10**6), ends_first=st.booleans())
def test_token_times_are_those_of_the_history(seed: int, ends_first: bool) -> None:
    history = History(seed, ends_first=ends_first)
    for index in range(history.num_requests):
        story = timeline(history.events, f"request-{index}")
        truth = [
            TokenTime(time_s, output.number)
            for output in history.of(story.request_id)
            for time_s in output.token_times
        ]
        assert story.token_times == tuple(sorted(truth))
        assert story.end is not None
        assert story.end.output_tokens == len(truth)
        assert (story.first_token.time_s if story.first_token else None) == min(
            (token.time_s for token in truth), default=None
        )


@given(seed=st.integers(0, 10**6))
def test_spans_follow_each_other_from_arrival_to_end(seed: int) -> None:
    history = History(seed)
    for output in history.outputs:
        story = timeline(history.events, output.request_id)
        spans = [span for span in story.spans if span.sequence_number == output.number]
        ends = [event for event in story.ends if event.sequence_number == output.number]
        times = [time_s for span in spans for time_s in (span.from_s, span.to_s)]
        assert times[1:-1:2] == times[2::2]
        assert [event.after for event in ends] == [output.status]
        assert story.arrival is not None
        assert [story.arrival.time_s, ends[0].time_s] == [times[0], times[-1]] if times else True
        assert all(span.status not in ENDS for span in spans)
        for span in spans:
            assert all(wait.to_s is not None and wait.from_s <= wait.to_s for wait in span.waits)


def test_wait_reasons_divide_a_span() -> None:
    events: list[Event] = [
        move(0.0, None, WAITING, "arrived"),
        WaitReason(0.5, "a", 1, "no free blocks"),
        WaitReason(2.0, "a", 1, "no row"),
        move(3.0, WAITING, RUNNING, "admitted"),
    ]
    assert timeline(events, "a").spans == (
        Span(1, WAITING, 0.0, 3.0, "arrived", (Wait(0.5, 2.0, "no free blocks"), Wait(2.0, 3.0, "no row"))),
        Span(1, RUNNING, 3.0, None, "admitted"),
    )


def test_steps_of_a_sequence() -> None:
    other = ComputedUnits(9, 0, 4, True, True)
    story = timeline(
        [
            move(0.0, None, RUNNING),
            step(1, ComputedUnits(1, 0, 8, False, False), other),
            step(2, ComputedUnits(1, 8, 2, True, True), standing=1),
            step(3, standing=2),
            step(4, other),
            step(5, standing=2),
            step(6, standing=1, left=(1,)),
        ],
        "a",
    )
    assert [(each.number, each.start, each.num_units, each.emits) for each in story.steps] == [
        (1, 0, 8, False),
        (2, 8, 2, True),
        (3, None, 1, True),
        (5, None, 1, True),
    ]
    assert [token.time_s for token in story.token_times] == [2.0, 3.0, 5.0]


def test_what_a_step_brought_after_the_end_is_discarded() -> None:
    story = timeline(
        [
            *(move(0.0, None, RUNNING), step(1, ComputedUnits(1, 0, 8, True, True)), step(2, standing=1)),
            *(move(2.0, RUNNING, FINISHED, "stop"), step(3, standing=1), step(4, left=(1,))),
        ],
        "a",
    )
    assert [token.time_s for token in story.token_times] == [1.0, 2.0]


@pytest.mark.parametrize("record_comes_last", [False, True])
def test_of_steps_at_the_time_of_an_end_only_the_first_counts(record_comes_last: bool) -> None:
    joins = ComputedUnits(1, 0, 8, True, True)
    last: list[Event] = [step(2, standing=1), move(2.0, RUNNING, FINISHED, "stop")]
    if record_comes_last:
        last = [*reversed(last), step(2, standing=1)]
    story = timeline([move(0.0, None, RUNNING), step(1, joins), *last, step(3, standing=1)], "a")
    assert [token.time_s for token in story.token_times] == [1.0, 2.0]


def test_a_step_that_fails_brings_no_token() -> None:
    joins = ComputedUnits(1, 0, 8, True, True)
    events: list[Event] = [move(0.0, None, RUNNING), step(1, joins), step(2, standing=1)]
    failed = move(2.0, RUNNING, Status.FAILED, "the device broke")
    assert [token.time_s for token in timeline([*events[:2], failed, events[2]], "a").token_times] == [1.0]


def test_a_step_that_fails_brings_no_token_to_one_that_ends_at_the_same_moment() -> None:
    joins = ComputedUnits(1, 0, 8, True, True)
    cancelled = move(2.0, RUNNING, Status.CANCELLED)
    failed = replaced(step(2, standing=1), failed=True)
    story = timeline([move(0.0, None, RUNNING), step(1, joins), cancelled, failed], "a")
    assert [computed.time_s for computed in story.steps] == [1.0]
    assert [token.time_s for token in story.token_times] == [1.0]


def test_accepted_drafts_are_tokens() -> None:
    units = ComputedUnits(1, 7, 4, True, False)
    story = timeline([move(0.0, None, RUNNING), DraftVerified(1.0, "a", 1, 3, 2), step(1, units)], "a")
    assert story.token_times == (TokenTime(1.0, 1),) * 3
    assert story.drafts == (DraftVerified(1.0, "a", 1, 3, 2),)


def test_transfers_of_its_sequences() -> None:
    story = timeline(
        [
            move(0.0, None, RUNNING),
            TransferStarted(1.0, 5, TransferKind.SWAP_OUT, 1, 3),
            TransferStarted(1.0, 6, TransferKind.SWAP_OUT, 2, 3),
            TransferStarted(1.5, 7, TransferKind.SWAP_IN, 1, 4),
            TransferEnded(2.0, 6, None),
            TransferEnded(2.5, 5, "checksum differs"),
        ],
        "a",
    )
    assert story.transfers == (
        TransferSpan(5, TransferKind.SWAP_OUT, 1, 3, 1.0, 2.5, "checksum differs"),
        TransferSpan(7, TransferKind.SWAP_IN, 1, 4, 1.5),
    )


def test_only_a_lost_place_is_a_preemption() -> None:
    lost = move(1.0, RUNNING, PREEMPTED, "no blocks")
    back = move(2.0, PREEMPTED, Status.BLOCKED, "swap in")
    story = timeline(
        [move(0.0, None, RUNNING), lost, back, move(3.0, Status.BLOCKED, PREEMPTED, "failed")], "a"
    )
    assert story.preemptions == (lost,)
    assert story.preempted_s == 2.0  # the last span is not over


def test_all_that_is_told_once() -> None:
    arrival = RequestArrived(0.0, "a", "tenant", 10, 5)
    lookup, first = PrefixLookup(0.0, "a", 1, 10, 3), FirstToken(1.0, "a")
    end = RequestEnded(2.0, "a", FINISHED, "stop", 4)
    events: list[Event] = [arrival, lookup, RequestArrived(0.5, "b", "tenant", 1, 1), first, end]
    story = timeline(iter(events), "a")
    assert (story.arrival, story.prefix_lookups, story.first_token, story.end) == (
        arrival,
        (lookup,),
        first,
        end,
    )


def test_a_log_that_begins_in_the_midst() -> None:
    dropped_before: list[Event] = [
        step(5),
        WaitReason(6.0, "a", 1, "no row"),
        move(8.0, PREEMPTED, RUNNING, "resumed"),
    ]
    assert timeline(dropped_before, "a").spans == (
        Span(1, PREEMPTED, 5.0, 8.0, "before the log begins", (Wait(6.0, 8.0, "no row"),)),
        Span(1, RUNNING, 8.0, None, "resumed"),
    )
    only_the_end: list[Event] = [step(5), move(8.0, RUNNING, FINISHED, "stop")]
    assert timeline(only_the_end, "a").spans == (Span(1, RUNNING, 5.0, 8.0, "before the log begins"),)


@pytest.mark.parametrize("events", [[], [step(1)], [RequestArrived(0.0, "b", "tenant", 1, 1)]])
def test_an_unknown_request_is_an_error(events: list[Event]) -> None:
    with pytest.raises(UnknownRequest, match="no event is about request 'a'; check the id"):
        timeline(events, "a")
