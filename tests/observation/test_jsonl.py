import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observation.histories import History
from weft.contracts.errors import WeftError
from weft.contracts.events import (
    ComputedUnits,
    Event,
    RequestEnded,
    Status,
    StepRecord,
    TransferStarted,
    Transition,
    WeightsUpdated,
)
from weft.contracts.transfers import TransferKind
from weft.observation.event_log import EVENT_TYPES, EventLog
from weft.observation.jsonl import EventFormatError, JsonlSpill, from_json_line, read_events, to_json_line

SECONDS = st.integers(0, 10**16).map(lambda nanoseconds: nanoseconds / 10**9)
st.register_type_strategy(float, SECONDS)
EVENTS: st.SearchStrategy[Event] = st.one_of([st.from_type(each) for each in EVENT_TYPES])
STEP = StepRecord(1.25, 3, 1.0, 5, 2, (ComputedUnits(1, 0, 3, True, False),), (4, 9), 3, 0, 7)
STEP_LINE = (
    '{"event":"StepRecord","time_s":1.25,"number":3,"planned_s":1.0,"num_tokens":5,"num_standing":2,'
    '"explicit":[{"sequence_number":1,"start":0,"num_units":3,"emits":true,"stands":false}],"left":[4,9],'
    '"num_running":3,"num_waiting":0,"used_blocks":7,"failed":false}'
)


def test_the_form_of_a_line_is_fixed() -> None:
    assert to_json_line(STEP) == STEP_LINE
    begins = Transition(0, "\u00e9\n", 1, None, Status.WAITING, "arrived")
    assert to_json_line(begins) == (
        '{"event":"Transition","time_s":0.0,"request_id":"\\u00e9\\n","sequence_number":1,"before":null,'
        '"after":"waiting","reason":"arrived"}'
    )
    moved = TransferStarted(0.5, 1, TransferKind.SWAP_OUT, 2, 3)
    assert '"kind":"swap out"' in to_json_line(moved)


@given(event=EVENTS)
def test_every_event_survives_the_round_trip(event: Event) -> None:
    line = to_json_line(event)
    back = from_json_line(line)
    assert back == event
    assert type(back) is type(event)
    assert to_json_line(back) == line
    assert line.isascii()
    assert line.splitlines() == [line]


def test_nested_records_keep_their_type() -> None:
    back = from_json_line(STEP_LINE)
    assert isinstance(back, StepRecord)
    assert type(back.explicit[0]) is ComputedUnits
    assert type(back.left) is tuple


def test_times_are_rounded_to_nanoseconds() -> None:
    assert '"time_s":0.123456789,' in to_json_line(WeightsUpdated(0.1234567891234, 1))


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), float("-inf")])
def test_a_time_that_is_no_number_is_refused(time_s: float) -> None:
    with pytest.raises(EventFormatError, match="has no form in JSON"):
        to_json_line(WeightsUpdated(time_s, 1))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def nearly_events(draw: st.DrawFn) -> str:
    """A line of an event with one field dropped, renamed or given any value."""
    entries: dict[str, Any] = json.loads(to_json_line(draw(EVENTS)))
    key = draw(st.sampled_from([*entries]))
    value = entries.pop(key)
    new_key = draw(st.sampled_from([key, key, key, "event", "other"]))
    if draw(st.integers(0, 3)):
        entries[new_key] = draw(JSON_VALUES | st.just(value))
    return json.dumps(entries)


def event_or_message(line: str) -> Event | str:
    try:
        return from_json_line(line)
    except WeftError as error:
        return str(error)


@given(line=st.text() | JSON_VALUES.map(json.dumps) | nearly_events())
def test_any_text_is_an_event_or_a_clear_error(line: str) -> None:
    outcome = event_or_message(line)
    if isinstance(outcome, str):
        assert outcome.startswith("not an event: ")
        assert repr(line[:50])[1:-1] in outcome
    else:
        assert not any(isinstance(getattr(outcome, each.name), list) for each in fields(outcome))
        assert to_json_line(from_json_line(to_json_line(outcome))) == to_json_line(outcome)


@given(data=st.data())
def test_a_cut_line_is_an_error(data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(STEP_LINE) - 1))
    with pytest.raises(EventFormatError):
        from_json_line(STEP_LINE[:end])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", "expected an object"),
        ('{"event":"Stepp"}', "expected one of RequestArrived, "),
        ('{"event":["StepRecord"]}', "expected one of RequestArrived, "),
        ('{"event":"WeightsUpdated","time_s":1.0}', "needs exactly the fields time_s, version"),
        ('{"event":"WeightsUpdated","time_s":1.0,"version":1,"x":1}', "needs exactly the fields"),
        ('{"event":"WeightsUpdated","time_s":NaN,"version":1}', "NaN is not a finite number"),
        ('{"event":"WeightsUpdated","time_s":1e999,"version":1}', "time_s: inf is not a finite number"),
        ('{"event":"WeightsUpdated","time_s":true,"version":1}', "time_s: True is not a finite number"),
        ('{"event":"WeightsUpdated","time_s":1.0,"version":1.0}', "version: 1.0 is not of type int"),
        ('{"event":"WeightsUpdated","time_s":1.0,"version":true}', "version: True is not of type int"),
        ('{"event":"WeightsUpdated","time_s":1.0,"version":1,"version":2}', "a key occurs twice"),
        ('{"event":"WeightsUpdated","time_s":1%s,"version":1}' % ("0" * 400), "time_s: int too large"),
        (STEP_LINE.replace("[4,9]", "4"), "left: 4 is not a list"),
        (STEP_LINE.replace('"start":0', '"start":"0"'), "explicit: start: '0' is not of type int"),
        (
            '{"event":"RequestEnded","time_s":1.0,"request_id":"a","status":"done","reason":"","output_tokens":1}',
            "status: 'done' is not one of waiting, running",
        ),
    ],
)
def test_the_error_says_what_is_wrong(line: str, problem: str) -> None:
    with pytest.raises(EventFormatError) as caught:
        from_json_line(line)
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_an_optional_status_may_be_absent_only_where_the_contract_says_so() -> None:
    line = to_json_line(RequestEnded(1.0, "a", Status.FINISHED, "stop", 1))
    with pytest.raises(EventFormatError, match="status: None is not one of"):
        from_json_line(line.replace('"finished"', "null"))


def test_a_spilled_log_is_read_back(tmp_path: Path) -> None:
    events = History(seed=5).events
    log = EventLog(capacity=0)
    with JsonlSpill(tmp_path / "log.jsonl") as spill:
        log.subscribe(spill)
        for event in events:
            log.record(event)
    assert list(read_events(tmp_path / "log.jsonl")) == events


def test_an_exception_still_leaves_what_was_written(tmp_path: Path) -> None:
    def break_off() -> None:
        with JsonlSpill(tmp_path / "log.jsonl") as spill:
            spill(STEP)
            raise KeyError("in the midst")

    with pytest.raises(KeyError):
        break_off()
    assert (tmp_path / "log.jsonl").read_text() == STEP_LINE + "\n"


def test_a_closed_spill_takes_nothing_more(tmp_path: Path) -> None:
    spill = JsonlSpill(tmp_path / "log.jsonl")
    spill.close()
    spill.close()
    with pytest.raises(ValueError, match="closed file"):
        spill(STEP)


def test_a_bad_line_of_a_file_is_numbered(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(STEP_LINE.encode() + b"\n\xff\xfe\n")
    events = read_events(path)
    assert next(events) == STEP
    with pytest.raises(EventFormatError, match=r"log\.jsonl, line 2: not an event"):
        next(events)
