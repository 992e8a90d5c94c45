import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.events import Event, FirstToken, RequestEnded, TransferEnded, WeightsUpdated
from weft.observation.event_log import EVENT_TYPES, EventLog

FIRST = FirstToken(1.0, "a")
UPDATED = WeightsUpdated(2.0, 7)
MOVED = TransferEnded(3.0, 1, None)


@given(capacity=st.integers(0, 5), num_events=st.integers(0, 12))
def test_the_last_events_are_kept(capacity: int, num_events: int) -> None:
    log = EventLog(capacity)
    events = [WeightsUpdated(float(number), number) for number in range(num_events)]
    for event in events:
        log.record(event)
    assert log.events() == events[max(0, num_events - capacity) :]
    assert log.num_recorded == num_events
    assert log.num_dropped == max(0, num_events - capacity)


def test_events_are_forgotten_but_still_counted() -> None:
    log = EventLog()
    log.record(FIRST)
    log.forget()
    assert log.events() == []
    log.record(MOVED)
    assert (log.events(), log.num_recorded) == ([MOVED], 2)


def test_a_negative_capacity_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="-1 events"):
        EventLog(-1)


def test_events_is_a_copy() -> None:
    log = EventLog()
    log.events().append(FIRST)
    assert log.events() == []


def test_handlers_see_their_types_in_order_of_subscription() -> None:
    log, seen = EventLog(capacity=0), list[tuple[str, Event]]()
    log.subscribe(lambda event: seen.append(("all", event)))
    log.subscribe(lambda event: seen.append(("two", event)), FirstToken, TransferEnded)
    for event in (FIRST, UPDATED, MOVED):
        log.record(event)
    assert seen == [("all", FIRST), ("two", FIRST), ("all", UPDATED), ("all", MOVED), ("two", MOVED)]


def test_a_handler_sees_nothing_before_and_after_its_subscription() -> None:
    log, seen = EventLog(), list[Event]()
    log.record(FIRST)
    log.subscribe(seen.append)
    log.record(UPDATED)
    log.unsubscribe(seen.append)
    log.record(MOVED)
    assert seen == [UPDATED]


def test_unsubscribing_leaves_the_others() -> None:
    log, kept, gone = EventLog(), list[Event](), list[Event]()
    log.subscribe(kept.append)
    log.subscribe(gone.append)
    kept.append(UPDATED)  # lists compare by value: bound methods must be told apart by their object
    log.unsubscribe(gone.append)
    log.record(FIRST)
    assert (kept, gone) == ([UPDATED, FIRST], [])


def test_an_exception_of_a_handler_reaches_the_recorder() -> None:
    def refuse(event: FirstToken) -> None:
        raise InvariantViolation("example", event.request_id)

    log = EventLog()
    log.subscribe(refuse, FirstToken)
    log.record(UPDATED)
    with pytest.raises(InvariantViolation):
        log.record(FIRST)
    assert log.events() == [UPDATED, FIRST]


def test_only_types_of_events_can_be_subscribed_to() -> None:
    with pytest.raises(ConfigurationError, match="choose from: RequestArrived, "):
        EventLog().subscribe(print, int)  # type: ignore[type-var]


def test_every_type_of_the_contract_is_known() -> None:
    assert EVENT_TYPES[-1] is RequestEnded
    assert len(EVENT_TYPES) == 11


def test_closed_it_keeps_what_it_has_and_passes_nothing_on() -> None:
    log, seen = EventLog(), list[Event]()
    log.subscribe(seen.append)
    log.record(FIRST)
    log.close()
    log.record(UPDATED)
    assert (seen, log.events(), log.handlers()) == ([FIRST], [FIRST, UPDATED], [])
