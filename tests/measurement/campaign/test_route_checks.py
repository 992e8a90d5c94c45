"""What a router may do with requests, held against made-up moves."""

from typing import Any

import pytest

from weft.contracts.events import Status
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.routing import Routed, Unrouted
from weft.measurement.campaign.history import History, Moves
from weft.measurement.campaign.route_checks import check_pairs, check_refusal, check_waits, count_ends
from weft.measurement.campaign.world import World

REQUEST = Request("r", LengthPrompt(3))


class FakeVisit:
    """Of which something was done."""

    def __init__(self, *moves: tuple[float, str, Status | None]) -> None:
        self.request = REQUEST
        self.end, self.has_left, self.is_refused = None, False, False
        self.unasked: list[str] = []
        self.refusal = "full"
        self.moves: Moves = [
            Routed(time_s, REQUEST, name) if status is None else Unrouted(time_s, REQUEST, name, status, 0)
            for time_s, name, status in moves
        ]

    def names(self) -> list[str]:
        visit: Any = self
        return [violation.name for violation in check_pairs(visit)]


def test_a_request_that_is_refused_lost_failed_and_finished_is_well() -> None:
    visit = FakeVisit(
        (0.0, "a", None),
        (1.0, "a", Status.REJECTED),
        (1.0, "b", None),
        (2.0, "b", Status.FAILED),
        (3.0, "a", None),
        (4.0, "a", Status.FAILED),
        (4.0, "a", None),
        (5.0, "a", Status.FINISHED),
    )
    assert visit.names() == []
    assert count_ends(visit.moves, [(2.0, "b")]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("moves", "violations"),
    [
        ([(0.0, "a", None)], ["routes_paired"]),
        ([(0.0, "a", Status.FINISHED)], ["routes_paired"]),
        ([(0.0, "a", None), (1.0, "b", Status.FINISHED)], ["routes_paired"]),
        ([(0.0, "a", None), (1.0, "b", None), (2.0, "b", Status.FINISHED)], ["routes_paired"]),
        (
            [
                (0.0, "a", None),
                (1.0, "a", Status.REJECTED),
                (1.0, "a", None),
                (2.0, "a", Status.FINISHED),
            ],
            ["refusal_respected"],
        ),
    ],
)
def test_what_cannot_be_is_named(
    moves: list[tuple[float, str, Status | None]], violations: list[str]
) -> None:
    assert FakeVisit(*moves).names() == violations


def test_who_waits_longer_than_the_router_has_patience_is_named() -> None:
    world = World(0)
    lost: Any = FakeVisit((0.0, "a", None), (1.0, "a", Status.FAILED))
    most_s = world.timing.patience_s + 2.0 * world.timing.heartbeat_s
    assert list(check_waits(world, lost, 1.0 + most_s)) == []
    assert [each.name for each in check_waits(world, lost, 1.1 + most_s)] == ["waits_at_most"]
    lost.is_refused = True
    assert list(check_waits(world, lost, 1.1 + most_s)) == []


def test_a_refusal_needs_that_all_who_take_requests_were_asked_or_enough_were() -> None:
    history = History()
    refused = (0.0, "a", None), (1.0, "a", Status.REJECTED)
    visit: Any = FakeVisit(*refused)
    assert list(check_refusal(visit, history)) == []
    visit.unasked = ["b"]
    assert [each.name for each in check_refusal(visit, history)] == ["others_asked"]
    often: Any = FakeVisit(*(3 * refused))
    often.unasked = ["b"]
    assert list(check_refusal(often, history)) == []
