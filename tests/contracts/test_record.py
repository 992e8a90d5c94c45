"""Records: plain values, equal and hashed by their fields."""

from typing import get_type_hints

from weft.contracts.events import FirstToken, StepRecord
from weft.contracts.record import replaced
from weft.contracts.steps import StepResult


def test_records_are_equal_hashed_and_shown_by_their_fields() -> None:
    first, same, other = FirstToken(1.5, "a"), FirstToken(1.5, "a"), FirstToken(1.5, "b")
    assert first == same != other
    assert list({first: 0, same: 1, other: 2}.values()) == [1, 2]
    assert repr(first) == "FirstToken(time_s=1.5, request_id='a')"


def test_a_copy_differs_in_the_fields_that_are_named_and_is_another_object() -> None:
    first = StepRecord(1.0, 7, 0.5, 3, 3, (), (), 3, 0, 12)
    failed = replaced(first, failed=True)
    assert (first.failed, failed.failed, failed.number) == (False, True, 7)
    assert replaced(failed, failed=False) == first


def test_records_have_slots_and_nothing_beside() -> None:
    assert not hasattr(FirstToken(0.0, "a"), "__dict__")
    assert list(get_type_hints(FirstToken)) == ["time_s", "request_id"]


def test_what_a_result_says_of_no_rows_is_shared_and_empty() -> None:
    one, other = StepResult(0, (1,)), StepResult(0, (1,))
    assert one == other == StepResult(0, (1,), verified={})
    assert list(map(id, (one.verified, one.candidates))) == list(map(id, (other.logprobs, other.failed)))
    assert not one.verified
