"""A simulated service sends each request where its routing policy says, and tells the policy all that it may know."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.simulator.simulated_service import Listed, deployment
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.contracts.routing import (
    Probed,
    ReplicaJoined,
    ReplicaView,
    Routed,
    RouteEvent,
    RoutePolicy,
    Unrouted,
)
from weft.policies.registry import POLICIES
from weft.simulator.deployment import Deployment
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import simulate_service
from weft.simulator.simulated_replica import SimulatedReplica
from weft.simulator.virtual_time import running_agenda
from weft.workloads.conversation_prompt import ConversationPrompt
from weft.workloads.registry import find_workload
from weft.workloads.sessions import Session, Turn


def routed(router: Any, replicas: int = 3, **sizes: object) -> Deployment:
    planned = deployment(replicas=replicas, **sizes)  # type: ignore[arg-type]
    return replace(planned, options=replace(planned.options, router=router))


class Noting(RoutePolicy):
    """All to the last replica, with a probe for every other request."""

    num_probes = 0.5

    def __init__(self) -> None:
        self.events: list[RouteEvent] = []
        self.seen: list[tuple[int, float]] = []

    def observe(self, event: RouteEvent) -> None:
        self.events.append(event)

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        names = [each.name for each in replicas]
        assert names == ["replica-0", "replica-1", "replica-2"][: len(names)]
        self.seen.append((replicas[-1].num_outstanding, replicas[-1].outstanding_tokens))
        return len(replicas) - 1


def test_the_policy_decides_and_hears_of_all() -> None:
    policy = Noting()
    load = Listed([(0.0, 100, 10), (0.001, 50, 5), (9.0, 70, 10), (9.001, 30, 3)])
    reports = simulate_service(routed(lambda: policy), load, lambda _: None)
    assert [report.num_requests for report in reports] == [0, 0, 4]
    assert policy.seen == [(0, 0.0), (1, 100.0), (0, 0.0), (1, 77.5)]
    kinds = [type(event) for event in policy.events]
    assert kinds[:6] == [ReplicaJoined] * 3 + [Routed, Routed, Probed]
    ends = [event for event in policy.events if isinstance(event, Unrouted)]
    assert [(event.replica, event.output_tokens) for event in ends] == [
        ("replica-2", tokens) for tokens in (5, 10, 3, 10)
    ]
    assert [event.time_s for event in policy.events] == sorted(event.time_s for event in policy.events)
    assert kinds.count(Probed) == 2


def test_what_is_refused_is_tried_elsewhere() -> None:
    policy = Noting()
    found: list[RequestOutcome] = []
    planned = routed(lambda: policy, max_num_seqs=1)
    load = Listed([(0.0, 50, 10), (0.01, 50, 5), (0.02, 50, 5), (9.0, 50, 5)])
    config = replace(planned.config, max_queued_tokens=60)
    simulate_service(replace(planned, config=config), load, found.append)
    assert [each.status.value for each in found] == ["finished"] * 4
    ends = [event for event in policy.events if isinstance(event, Unrouted)]
    refused = [event.replica for event in ends if event.status is Status.REJECTED]
    assert refused == ["replica-2"]
    assert (
        sorted(event.replica for event in ends if event.status is Status.FINISHED)
        == ["replica-1"] + ["replica-2"] * 3
    )


@pytest.mark.parametrize("router", POLICIES["route"])
def test_every_policy_serves_all_and_leaves_nothing_behind(router: str) -> None:
    load = find_workload("mooncake-conversation", 6.0, seed=5, num_requests=40)
    found: list[RequestOutcome] = []
    reports = simulate_service(routed(router), load, found.append)
    assert len(found) == sum(report.num_requests for report in reports) == 40


class Conversations:
    """Eleven conversations of eight turns, all under way at once."""

    name = "conversations"

    def sessions(self) -> Iterator[Session]:
        for number in range(11):
            turns = tuple(
                Turn(ConversationPrompt(400 * (1 + index), number), 40, delay_s=0.5) for index in range(8)
            )
            yield Session(number, 0.05 * number, turns)


def hit_tokens(router: str) -> int:
    reports = simulate_service(routed(router), Conversations(), lambda _: None)
    return sum(report.prefix_hit_tokens for report in reports)


def test_affinity_finds_in_the_cache_what_others_do_not() -> None:
    hits = {router: hit_tokens(router) for router in ("round_robin", "prefix_affinity", "session_affinity")}
    assert min(hits["prefix_affinity"], hits["session_affinity"]) > 1.5 * hits["round_robin"]


def ends_s(slow_from_s: float | None, **sizes: object) -> list[float]:
    found: list[float] = []

    def prepare(replicas: Sequence[SimulatedReplica]) -> None:
        if slow_from_s is not None:
            running_agenda().call_at(slow_from_s, replicas[0].driver.slow_down, (3.0,))

    load = Listed([(0.0, 100, 200)])
    simulate_service(deployment(**sizes), load, lambda each: found.append(each.ended_s), prepare=prepare)  # type: ignore[arg-type]
    return found


def test_a_replica_that_is_slowed_down_takes_longer_from_then_on() -> None:
    (plain_s,) = ends_s(None)
    (slow_s,) = ends_s(0.0)
    assert slow_s == pytest.approx(3.0 * plain_s, rel=1e-6)
    half_s = plain_s / 2
    (later_s,) = ends_s(half_s)
    assert later_s == pytest.approx(half_s + 3.0 * half_s, rel=0.03)  # steps under way keep their pace
