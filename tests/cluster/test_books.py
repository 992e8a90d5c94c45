"""What a router keeps of its replicas."""

import pytest

from weft.cluster.books import OutputLengths, ReplicaBooks
from weft.contracts.events import Status
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.routing import LoadReport, ReplicaView


def test_books_count_requests_and_tokens_with_outputs_of_the_mean_length() -> None:
    lengths = OutputLengths()
    one, other = ReplicaBooks("one", lengths), ReplicaBooks("other", lengths)
    first, second = Request("a", LengthPrompt(100)), Request("b", LengthPrompt(7))
    one.note_routed(first)
    one.note_routed(second)
    assert (one.num_outstanding, one.outstanding_tokens) == (2, 107)
    one.note_ended(first, Status.FINISHED, 30)
    assert (one.num_outstanding, one.outstanding_tokens) == (1, 37)
    other.note_routed(first)
    assert other.outstanding_tokens == 130
    one.note_ended(second, Status.FINISHED, 10)
    assert (one.num_outstanding, one.outstanding_tokens) == (0, 0)
    assert other.outstanding_tokens == 120


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.FAILED, Status.REJECTED])
def test_what_did_not_come_to_its_end_teaches_nothing(status: Status) -> None:
    lengths = OutputLengths()
    books, asked = ReplicaBooks("one", lengths), Request("a", LengthPrompt(100))
    books.note_routed(asked)
    books.note_ended(asked, status, 3)
    assert lengths.mean == 0.0
    assert books.num_outstanding == 0


def test_the_last_report_stands_with_its_time() -> None:
    books = ReplicaBooks("one", OutputLengths())
    assert books.report is None
    report = LoadReport(5, 2, 1, 10, 100)
    books.note_report(report, 3.5)
    view: ReplicaView = books
    assert (view.name, view.report, view.reported_s) == ("one", report, 3.5)
