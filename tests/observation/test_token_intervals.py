from collections import Counter as Tally
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observation.histories import History, Output
from weft.contracts.events import ComputedUnits, Event, Status, StepRecord, Transition
from weft.contracts.record import replaced
from weft.observation.instruments import Histogram
from weft.observation.token_intervals import TokenIntervals

RUNNING, PREEMPTED, FINISHED = Status.RUNNING, Status.PREEMPTED, Status.FINISHED


class ExactHistogram(Histogram):
    """Remembers every value."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        super().__init__([1.0])
        self.values = Tally[float]()

    def observe(self, value: float, count: int = 1) -> None:
        super().observe(value, count)
        self.values[value] += count


def follow(token_intervals: TokenIntervals, events: Iterable[Event]) -> list[int]:
    brought: list[int] = []
    for event in events:
        if isinstance(event, Transition):
            token_intervals.on_transition(event)
        elif isinstance(event, StepRecord):
            brought.append(token_intervals.on_step(event))
    return brought


def observed(events: Iterable[Event]) -> Tally[float]:
    """The observed intervals in seconds, with how often each was."""
    histogram = ExactHistogram()
    follow(TokenIntervals(histogram), events)
    return histogram.values


def tokens_brought(events: Iterable[Event]) -> list[int]:
    """To how many sequences each step brought a token."""
    return follow(TokenIntervals(ExactHistogram()), events)


def begin(number: int, before: Status | None = None, after: Status = RUNNING) -> Transition:
    return Transition(0.0, "a", number, before, after, "reason")


def joins(number: int) -> ComputedUnits:
    """The last of a prompt: a token, and from then on one per step."""
    return ComputedUnits(number, 0, 8, emits=True, stands=True)


def part(number: int, emits: bool = False, stands: bool = False) -> ComputedUnits:
    return ComputedUnits(number, 0, 8, emits, stands)


def step(
    time_s: float, *explicit: ComputedUnits, standing: int = 0, left: tuple[int, ...] = ()
) -> StepRecord:
    return StepRecord(time_s, 0, time_s, 0, standing, explicit, left, 0, 0, 0)


def true_intervals(outputs: Iterable[Output]) -> Tally[float]:
    """Between steps that brought a sequence tokens: those of one draft come at once and count as one."""
    moments = [list(dict.fromkeys(output.token_times)) for output in outputs]
    return Tally(after - before for times in moments for before, after in pairwise(times))


@given(seed=st.integers(0, 10**6), ends_first=st.booleans())
def test_intervals_are_exact_where_no_step_is_under_way_at_an_end(seed: int, ends_first: bool) -> None:
    history = History(seed, ends_first=ends_first)
    assert observed(history.events) == true_intervals(history.outputs)


def test_the_histories_have_what_they_are_to_show() -> None:
    counted = Tally[str]()
    for seed in range(20):
        outputs = History(seed).outputs
        counted["tokens"] += sum(len(output.token_times) for output in outputs)
        counted["drafts"] += sum(len(output.token_times) - len({*output.token_times}) for output in outputs)
        counted["finished"] += sum(output.status is FINISHED for output in outputs)
        counted["preempted"] += sum(
            isinstance(event, Transition) and event.after is PREEMPTED for event in History(seed).events
        )
    assert min(counted["tokens"], counted["drafts"], counted["finished"], counted["preempted"]) > 20


def test_all_standing_sequences_share_one_observation() -> None:
    events: list[Event] = [
        begin(1),
        begin(2),
        step(1.0, joins(1), joins(2)),
        step(1.25, standing=2),
        step(1.75, standing=2),
    ]
    assert observed(events) == {0.25: 2, 0.5: 2}


def test_a_sequence_that_joins_while_others_wait_counts_from_its_own_token() -> None:
    events: list[Event] = [
        *(begin(1), begin(2), step(1.0, joins(1)), step(2.0, standing=1)),
        step(4.0, joins(2)),
        step(5.0, standing=2),
    ]
    assert observed(events) == {1.0: 1 + 1, 3.0: 1}


def test_idle_time_between_requests_is_no_interval() -> None:
    events: list[Event] = [
        *(begin(1), step(1.0, joins(1)), step(2.0, standing=1), begin(1, RUNNING, FINISHED)),
        *(begin(2), step(1000.0, joins(2), left=(1,)), step(1002.0, standing=1)),
    ]
    assert observed(events) == {1.0: 1, 2.0: 1}


def test_a_preemption_counts_in_full() -> None:
    events: list[Event] = [
        *(begin(1), step(1.0, joins(1)), step(2.0, standing=1), step(3.0, part(2), left=(1,))),
        *(step(9.0, part(1)), step(10.0, joins(1)), step(12.0, standing=1)),
    ]
    assert observed(events) == {1.0: 1, 8.0: 1, 2.0: 1}


def test_leaving_twice_is_leaving_once() -> None:
    events: list[Event] = [
        *(begin(1), begin(2), step(1.0, joins(1), joins(2)), step(2.0, standing=2)),
        *(step(3.0, standing=1, left=(1,)), step(4.0, standing=1, left=(1,)), step(9.0, joins(1))),
    ]
    assert observed(events) == {1.0: 2 + 1 + 1, 7.0: 1}


def test_one_that_resumes_without_a_token_counts_from_its_last() -> None:
    events: list[Event] = [
        *(begin(1), step(1.0, joins(1)), step(2.0, standing=1)),
        *(step(3.0, part(1, stands=True), left=(1,)), step(7.0, standing=1)),
    ]
    assert observed(events) == {1.0: 1, 5.0: 1}


def test_the_first_token_of_a_fork_is_no_interval() -> None:
    events: list[Event] = [
        begin(1),
        step(1.0, part(1, stands=True)),
        step(2.0, standing=1),
        step(3.0, standing=1),
    ]
    assert observed(events) == {1.0: 1}


def ends(number: int, time_s: float, after: Status = FINISHED) -> Transition:
    return Transition(time_s, "a", number, RUNNING, after, "reason")


BEGUN: tuple[Event, ...] = (begin(1), begin(2), step(1.0, joins(1), joins(2)), step(2.0, standing=2))


def test_what_is_under_way_at_an_end_reaches_nobody() -> None:
    events: list[Event] = [
        *(*BEGUN, ends(1, 3.0), step(3.0, standing=2), step(4.0, standing=2)),
        *(step(5.0, standing=1, left=(1,)), step(6.0, standing=1)),
    ]
    assert tokens_brought(events) == [2, 2, 2, 1, 1, 1]
    assert observed(events) == {1.0: 2 + 2 + 1 + 1 + 1}


def test_of_steps_at_the_time_of_an_end_only_the_first_counts() -> None:
    events: list[Event] = [*BEGUN, ends(1, 3.0), step(3.0, standing=2), step(3.0, standing=2)]
    assert tokens_brought(events) == [2, 2, 2, 1]


def test_a_cancelled_sequence_does_not_get_the_step_under_way() -> None:
    events: list[Event] = [
        *BEGUN,
        ends(1, 2.5, Status.CANCELLED),
        step(3.0, standing=2),
        step(4.0, standing=1, left=(1,)),
    ]
    assert tokens_brought(events) == [2, 2, 1, 1]
    assert observed(events) == {1.0: 2 + 1 + 1}


def test_one_that_ends_as_it_joins_gets_nothing_more() -> None:
    events: list[Event] = [
        *(begin(1), begin(2), step(1.0, joins(2)), step(2.0, standing=1)),
        *(
            ends(1, 3.0),
            step(3.0, joins(1), standing=1),
            step(5.0, standing=2),
            step(6.0, standing=1, left=(1,)),
        ),
    ]
    assert tokens_brought(events) == [1, 1, 2, 1, 1]
    assert observed(events) == {1.0: 1 + 1 + 1, 2.0: 1}


def test_an_explicit_entry_under_way_at_an_end_reaches_nobody() -> None:
    drafts = part(1, emits=True)
    events: list[Event] = [begin(1), step(1.0, drafts), ends(1, 2.0), step(2.0, drafts), step(3.0, drafts)]
    assert tokens_brought(events) == [1, 1, 0]
    assert observed(events) == {1.0: 1}


def test_one_that_has_ended_when_its_joining_returns_gets_nothing() -> None:
    events: list[Event] = [
        *(begin(1), begin(2), step(1.0, joins(1)), ends(2, 1.5, Status.CANCELLED), step(2.0, standing=1)),
        *(step(3.0, joins(2), standing=1), step(4.0, standing=2), step(5.0, standing=1, left=(2,))),
    ]
    assert tokens_brought(events) == [1, 1, 1, 1, 1]
    assert observed(events) == {1.0: 4}


def test_a_step_that_fails_brings_no_token() -> None:
    failed = [ends(number, 3.0, Status.FAILED) for number in (1, 2)]
    events: list[Event] = [*BEGUN, *failed, step(3.0, standing=2)]
    assert tokens_brought(events) == [2, 2, 0]
    assert observed(events) == {1.0: 2}


def test_a_step_that_fails_brings_no_token_to_one_that_ends_at_the_same_moment() -> None:
    cancelled = [ends(1, 3.0, Status.CANCELLED), ends(2, 3.0, Status.FAILED)]
    failed = replaced(step(3.0, standing=2), failed=True)
    events: list[Event] = [*BEGUN, *cancelled, failed, begin(3), step(4.0, joins(3), left=(1, 2))]
    assert tokens_brought(events) == [2, 2, 0, 1]
    assert observed(events) == {1.0: 2}


@pytest.mark.parametrize("record_comes_last", [False, True])
def test_the_last_token_counts_whichever_is_recorded_first(record_comes_last: bool) -> None:
    final: list[Event] = [step(3.0, part(1, emits=True)), ends(1, 3.0)]
    if record_comes_last:
        final.reverse()
    assert observed([begin(1), step(1.0, part(1, emits=True)), *final]) == {2.0: 1}


def test_events_from_the_midst_of_a_run_make_no_intervals_up() -> None:
    assert observed(
        [step(100.0, standing=3), step(101.0, standing=3), step(102.0, part(7, True), left=(7,))]
    ) == {1.0: 3}


def test_nothing_is_kept_of_sequences_that_have_ended() -> None:
    token_intervals = TokenIntervals(ExactHistogram())
    events: list[Event] = [
        *(begin(1), begin(2), begin(3), step(1.0, joins(1), joins(2), part(3)), step(2.0, standing=2)),
        *(ends(number, 2.0) for number in (1, 2, 3)),
        *(step(3.0, standing=2), step(4.0, part(3, True), left=(1, 2)), step(5.0)),
        *(begin(4), step(6.0, joins(4)), ends(4, 6.0), step(7.0)),
    ]
    follow(token_intervals, events)
    assert token_intervals.num_followed == 1
    follow(token_intervals, [step(8.0, left=(4,))])
    assert token_intervals.num_followed == 0
