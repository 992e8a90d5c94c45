from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observation.histories import History
from weft.contracts.errors import InvariantViolation
from weft.contracts.events import (
    ENDS,
    LEGAL_TRANSITIONS,
    DraftVerified,
    Event,
    FirstToken,
    PrefixLookup,
    RequestArrived,
    RequestEnded,
    Status,
    StepRecord,
    Transition,
    WaitReason,
    WeightsUpdated,
)
from weft.observation.event_log import EventLog
from weft.observation.legality import LegalityChecker

WAITING, RUNNING, PREEMPTED = Status.WAITING, Status.RUNNING, Status.PREEMPTED
FINISHED, REJECTED = Status.FINISHED, Status.REJECTED


def arrive(request_id: str = "a", time_s: float = 0.0) -> RequestArrived:
    return RequestArrived(time_s, request_id, "tenant", 10, 5)


def move(before: Status | None, after: Status, number: int = 1, request_id: str = "a") -> Transition:
    return Transition(1.0, request_id, number, before, after, "reason")


def end(request_id: str = "a", status: Status = FINISHED) -> RequestEnded:
    return RequestEnded(1.0, request_id, status, "reason", 3)


def step(number: int) -> StepRecord:
    return StepRecord(1.0, number, 0.5, 0, 0, (), (), 0, 0, 0)


LIFE: tuple[Event, ...] = (arrive(), move(None, WAITING), move(WAITING, RUNNING), move(RUNNING, FINISHED))


def way_to(status: Status | None) -> list[tuple[Status | None, Status]]:
    """A shortest way by legal transitions from the beginning of a sequence to a status."""
    ways: dict[Status | None, list[tuple[Status | None, Status]]] = {None: []}
    reached = list(ways)
    for before in reached:
        for after in LEGAL_TRANSITIONS[before]:
            if after not in ways:
                ways[after] = [*ways[before], (before, after)]
                reached.append(after)
    return ways[status]


def check(events: Sequence[Event]) -> LegalityChecker:
    checker = LegalityChecker()
    for event in events:
        checker(event)
    return checker


def violation(events: Sequence[Event]) -> str:
    """The name of the violation that the last event, and none before it, raises."""
    checker = check(events[:-1])
    with pytest.raises(InvariantViolation) as caught:
        checker(events[-1])
    return caught.value.name


@given(seed=st.integers(0, 10**6), ends_first=st.booleans())
def test_legal_histories_pass(seed: int, ends_first: bool) -> None:
    history = History(seed, ends_first=ends_first)
    checker = check(history.events)
    checker.finish()
    transitions = [event for event in history.events if isinstance(event, Transition)]
    assert checker.transition_counts.total() == len(transitions)


def test_it_works_as_a_handler() -> None:
    log = EventLog()
    log.subscribe(LegalityChecker())
    log.record(arrive())
    with pytest.raises(InvariantViolation):
        log.record(arrive())


@pytest.mark.parametrize("before", [*LEGAL_TRANSITIONS])
@pytest.mark.parametrize("after", [*Status])
def test_exactly_the_table_is_allowed(before: Status | None, after: Status) -> None:
    events: list[Event] = [arrive(), *(move(*pair) for pair in way_to(before)), move(before, after)]
    if after in LEGAL_TRANSITIONS[before]:
        assert check(events).transition_counts[before, after] == 1
    else:
        assert violation(events) == ("ends_once" if before in ENDS else "legal_transition")


def test_a_transition_starts_where_the_sequence_is() -> None:
    assert violation([arrive(), move(None, WAITING), move(RUNNING, FINISHED)]) == "legal_transition"
    assert violation([arrive(), move(None, WAITING), move(None, WAITING)]) == "legal_transition"
    assert violation([arrive(), move(WAITING, RUNNING)]) == "legal_transition"


def test_a_sequence_belongs_to_one_request() -> None:
    begun = (arrive(), arrive("b"), move(None, WAITING))
    assert violation([*begun, move(WAITING, RUNNING, request_id="b")]) == "legal_transition"
    assert violation([*begun, WaitReason(1.0, "b", 1, "reason")]) == "legal_transition"


@pytest.mark.parametrize(
    "late",
    [
        end(),
        move(None, WAITING, number=2),
        WaitReason(1.0, "a", 1, "reason"),
        PrefixLookup(1.0, "a", 1, 10, 0),
        DraftVerified(1.0, "a", 1, 3, 1),
        FirstToken(1.0, "a"),
    ],
)
def test_nothing_happens_after_a_requests_end(late: Event) -> None:
    assert violation([*LIFE, end(), late]) == "ends_once"


@pytest.mark.parametrize(
    "late",
    [WaitReason(1.0, "a", 1, "reason"), PrefixLookup(1.0, "a", 1, 10, 0), DraftVerified(1.0, "a", 1, 3, 1)],
)
def test_nothing_happens_after_a_sequences_end(late: Event) -> None:
    assert violation([*LIFE, late]) == "ends_once"


def test_all_sequences_end_before_the_request() -> None:
    assert violation([*LIFE, move(None, WAITING, number=2), end()]) == "ends_once"
    second = (move(each.before, each.after, number=2) for each in LIFE if isinstance(each, Transition))
    check([*LIFE, *second, end()]).finish()


def test_a_request_ends_by_an_end() -> None:
    assert violation([*LIFE, end(status=RUNNING)]) == "ends_once"


def test_a_request_arrives_once_and_first() -> None:
    assert violation([arrive(), arrive()]) == "arrives_once"
    for early in (move(None, WAITING), FirstToken(1.0, "a"), end(), WaitReason(1.0, "a", 1, "reason")):
        assert violation([early]) == "arrives_once"


def test_an_id_may_be_used_again_after_the_end() -> None:
    check([*LIFE, end(), arrive(time_s=1.0), end(status=REJECTED)]).finish()
    with pytest.raises(InvariantViolation, match="ends_once"):
        check([*LIFE, end(), arrive(time_s=1.0)]).finish()


def test_a_rejected_request_needs_no_sequence() -> None:
    check([arrive(), end(status=REJECTED)]).finish()


@pytest.mark.parametrize("time_s", [0.9, float("nan")])
def test_time_goes_forward(time_s: float) -> None:
    assert violation([step(0), WeightsUpdated(time_s, 1)]) == "time_forward"


def test_steps_come_in_order() -> None:
    check([step(4), step(5)])
    for number in (3, 4, 6):
        assert violation([step(4), step(number)]) == "step_order"


def test_finish_names_who_never_ended() -> None:
    checker = check([arrive("lost"), arrive("b"), end("b", REJECTED)])
    with pytest.raises(InvariantViolation, match=r"1 requests never ended: 'lost'$") as caught:
        checker.finish()
    assert caught.value.name == "ends_once"


def test_finish_does_not_name_thousands() -> None:
    checker = check([arrive(f"r{number}") for number in range(1000)])
    with pytest.raises(InvariantViolation, match=r"1000 requests never ended: .*'r19' and 980 more"):
        checker.finish()
    with pytest.raises(InvariantViolation, match=r"20 requests never ended: .*'r19'$"):
        check([arrive(f"r{number}") for number in range(20)]).finish()


def test_pairs_are_counted() -> None:
    checker = check([*LIFE, move(None, WAITING, number=2)])
    assert checker.transition_counts == {(None, WAITING): 2, (WAITING, RUNNING): 1, (RUNNING, FINISHED): 1}
    assert checker.transition_counts[RUNNING, PREEMPTED] == 0


@given(seed=st.integers(0, 10**6), data=st.data())
def test_a_dropped_or_repeated_transition_is_noticed(seed: int, data: st.DataObject) -> None:
    events = History(seed, num_steps=20).events
    # A rejection is told by the request's end alone, so its transition may be missing.
    positions = [
        index
        for index, event in enumerate(events)
        if isinstance(event, Transition) and event.after is not REJECTED
    ]
    if not positions:
        return
    index = data.draw(st.sampled_from(positions))
    for damaged in (events[:index] + events[index + 1 :], events[: index + 1] + events[index:]):
        with pytest.raises(InvariantViolation):
            check(damaged).finish()
