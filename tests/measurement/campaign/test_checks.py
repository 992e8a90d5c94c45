"""The campaign notices what it is there to notice: bugs planted one at a time, each named by what it breaks."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from weft.cluster.assignment import Assignment
from weft.cluster.books import ReplicaBooks
from weft.cluster.circuit_breaker import CircuitBreaker, State
from weft.cluster.cluster import Cluster
from weft.cluster.controllers import KeepUp
from weft.cluster.inference_replica import InferenceReplica
from weft.cluster.member import Member, Phase
from weft.cluster.membership import Membership
from weft.cluster.open_request import OpenRequest
from weft.cluster.router import Router
from weft.cluster.timing import Timing
from weft.contracts.requests import Emitted
from weft.measurement.campaign.faults import Crash, DrainOne, LateKills, MessageChance, Slow, StepFailures
from weft.measurement.campaign.playing import play
from weft.measurement.campaign.shrinking import shrink
from weft.measurement.campaign.world import ClientPlan, PromptPlan, StopPlan, World

CLIENTS = tuple(
    ClientPlan(number, 0.2 + 0.02 * number, PromptPlan(own=6), max_tokens=20, temperature=1.0)
    for number in range(6)
)
QUICK = Timing(patience_s=3.0, stalled_after_s=2.0, most_restart_s=1.0, start_s=2.0)
CALM = World(1, num_replicas=2, timing=QUICK, clients=CLIENTS)
CRASHING = replace(CALM, heals_at_s=1.0, faults=(Crash(0, 0.4), Crash(0, 0.41)))
ALONE = replace(CRASHING, num_replicas=1)
LEAVING = World(1, timing=QUICK, clients=(ClientPlan(0, 0.2, max_tokens=40, leaves_s=0.1),))
FAILING = replace(
    CALM,
    heals_at_s=4.0,
    clients=tuple(replace(CLIENTS[0], number=number) for number in range(30)),
    faults=(StepFailures(0, 1.0), StepFailures(1, 1.0)),
)
STOPPING = World(1, timing=QUICK, clients=(ClientPlan(0, 0.2, max_tokens=40, stop=StopPlan(0, 2, 2)),))
DRAINED = World(
    1, num_replicas=2, timing=QUICK, heals_at_s=1.0, faults=(LateKills(3.0),), operations=(DrainOne(0, 0.5),)
)
SICK = replace(
    FAILING,
    num_replicas=1,
    clients=(*FAILING.clients, replace(CLIENTS[0], number=30, at_s=40.0)),
    faults=(StepFailures(0, 1.0),),
)
MISFIT = replace(SICK, clients=(*FAILING.clients, ClientPlan(30, 40.0, max_tokens=400)))


def forget_last_token(request: OpenRequest) -> tuple[Emitted, ...]:
    return tuple(Emitted(tuple(book.tokens[:-1])) for book in request._books)


def take_for_down(cluster: Cluster, member: Member) -> Coroutine[Any, Any, None]:
    member.phase = Phase.DOWN
    return cluster._provisioning.stop(member.name)


def say_nothing(*_: object, **__: object) -> None:
    """Nothing happens."""


def test_worlds_without_bugs_are_well() -> None:
    for world in (CALM, CRASHING, ALONE, LEAVING, FAILING, SICK, MISFIT, STOPPING, DRAINED):
        outcome = play(world)
        assert (outcome.violation, outcome.detail) == (None, "")
    assert play(CRASHING).ends == {"finished": 6}
    assert play(LEAVING).ends == {"left": 1}


@pytest.mark.parametrize(
    ("place", "name", "bug", "world", "violation"),
    [
        (OpenRequest, "emitted", property(forget_last_token), CRASHING, "lost_for_a_reason"),
        (Router, "_rescue", say_nothing, ALONE, "fails_with_reason"),
        (Router, "_go_on", say_nothing, CRASHING, "progress"),
        (ReplicaBooks, "note_ended", say_nothing, CALM, "books_balance"),
        (Assignment, "take_back", say_nothing, LEAVING, "leaving_heard"),
        (InferenceReplica, "_drop", say_nothing, LEAVING, "leaving_heard"),
        (InferenceReplica, "_beat", say_nothing, CALM, "lost_for_a_reason"),
        (Membership, "close", say_nothing, CALM, "nothing_left_over"),
        (Router, "stop_output", lambda *_: False, STOPPING, "stops_at_once"),
        (CircuitBreaker, "note_abandoned", say_nothing, MISFIT, "tried_again"),
        (Cluster, "_stop", take_for_down, DRAINED, "starts_after_stop"),
        (KeepUp, "_pause_s", lambda *_: 0.0, CRASHING, "restarts_paused"),
        (CircuitBreaker, "allows", lambda breaker, _: breaker.state is State.CLOSED, SICK, "serves_again"),
    ],
)
def test_a_planted_bug_is_named(
    place: type, name: str, bug: Any, world: World, violation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, name, bug)
    assert play(world).violation == violation


def test_a_failing_world_is_shrunk_to_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Router, "_rescue", say_nothing)
    noise = (MessageChance("delay", 0.1, 0.001), *ALONE.faults, StepFailures(0, 0.0), Slow(0, 1.5, 0.0, 1.0))
    world = replace(ALONE, faults=noise, operations=(DrainOne(0, 5.0),), route="prequal", latency_s=0.001)
    assert play(world).violation == "fails_with_reason"
    smallest = shrink(world, "fails_with_reason")
    assert play(smallest).violation == "fails_with_reason"
    assert [type(each) for each in smallest.faults] == [Crash]
    assert smallest.operations == ()
    assert len(smallest.clients) == 1
    assert smallest.route == World(0).route
    assert smallest.clients[0].prompt == PromptPlan()


def test_shrinking_stops_after_so_many_plays() -> None:
    assert shrink(CRASHING, "fails_with_reason", most_plays=3) == CRASHING
