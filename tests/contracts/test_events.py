"""The table of legal transitions is a life with a beginning and an end."""

import pytest

from weft.contracts.events import ENDS, LEGAL_TRANSITIONS, Status


def reachable(start: Status | None) -> list[Status]:
    found: list[Status] = []
    open_ends: list[Status | None] = [start]
    while open_ends:
        for after in LEGAL_TRANSITIONS[open_ends.pop()]:
            if after not in found:
                found.append(after)
                open_ends.append(after)
    return found


def test_every_status_is_in_the_table_and_can_be_reached() -> None:
    assert list(LEGAL_TRANSITIONS) == [None, *Status]
    assert sorted(reachable(None), key=list(Status).index) == list(Status)


@pytest.mark.parametrize("status", [status for status in Status if status not in ENDS])
def test_whoever_lives_can_be_cancelled_and_can_fail(status: Status) -> None:
    assert Status.CANCELLED in LEGAL_TRANSITIONS[status]
    assert Status.FAILED in LEGAL_TRANSITIONS[status]
    assert Status.FINISHED in reachable(status)


def test_an_end_is_final_and_a_rejection_happens_at_the_door_only() -> None:
    assert [LEGAL_TRANSITIONS[end] for end in ENDS] == [()] * 4
    assert [before for before, after in LEGAL_TRANSITIONS.items() if Status.REJECTED in after] == [None]


def test_no_sequence_is_finished_before_it_exists() -> None:
    assert Status.FINISHED not in LEGAL_TRANSITIONS[None]
