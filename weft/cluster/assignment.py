"""Giving requests to replicas and taking them back: the router's books, and whom its policy is told of."""

import asyncio
from collections.abc import Callable
from math import floor
from random import Random

from weft.cluster.member import Member, Phase
from weft.cluster.membership import Membership
from weft.cluster.messages import Cancel, Probe, ProbeAnswer, Submit
from weft.cluster.open_request import OpenRequest
from weft.contracts.events import Status
from weft.contracts.routing import Probed, Routed, RouteEvent, RoutePolicy, Unrouted


class Assignment:
    """`observe` is told of what the policy is told. `seed`: of who is probed."""

    def __init__(
        self, policy: RoutePolicy, membership: Membership, observe: Callable[[RouteEvent], object], seed: int
    ) -> None:
        self._policy, self._membership, self._observe = policy, membership, observe
        self._loop = asyncio.get_running_loop()
        self._random, self._num_probes = Random(f"{seed}/probes"), 0.0
        self._num_given = 0

    def tell(self, event: RouteEvent) -> None:
        """Let the policy know."""
        self._policy.observe(event)
        self._observe(event)

    def holder(self, opened: OpenRequest) -> Member | None:
        """The replica that has a request."""
        return None if opened.member is None else self._membership.members[opened.member]

    def choose(self, opened: OpenRequest) -> Member | None:
        """The replica for a request, None where none may take it."""
        now_s = self._loop.time()
        members = [
            each
            for each in self._membership.members.values()
            if each.phase is Phase.UP and each.breaker.allows(now_s) and each.name not in opened.refused
        ]
        if not members:
            return None
        return members[self._policy.decide(opened.request, [each.books for each in members], now_s)]

    def give(self, opened: OpenRequest, member: Member) -> None:
        """Hand a request to a replica."""
        assert member.link is not None
        self._num_given += 1
        opened.attempt, opened.member = self._num_given, member.name
        member.requests[opened.request.request_id] = opened
        member.breaker.note_sent()
        member.books.note_routed(opened.request)
        self.tell(Routed(self._loop.time(), opened.request, member.name))
        member.link.post(Submit(opened.request, opened.attempt, None if opened.is_new else opened.emitted))
        self._probe()

    def _probe(self) -> None:
        self._num_probes += self._policy.num_probes
        count = floor(self._num_probes)
        self._num_probes -= count
        if count:
            up = [each for each in self._membership.members.values() if each.phase is Phase.UP]
            for member in self._random.sample(up, min(count, len(up))):
                assert member.link is not None
                member.link.mention(Probe())

    def note_probed(self, member: Member, answer: ProbeAnswer) -> None:
        """A replica has answered a probe."""
        self.tell(Probed(self._loop.time(), member.name, *answer))

    def part(self, opened: OpenRequest, status: Status) -> None:
        """A replica is done with a request, in this way."""
        member, opened.member = self.holder(opened), None
        if member is None:
            return
        now_s = self._loop.time()
        member.requests.pop(opened.request.request_id, None)
        member.books.note_ended(opened.request, status, opened.num_output_tokens)
        if status is Status.FINISHED:
            member.breaker.note_success()
        elif status is Status.FAILED:
            member.breaker.note_failure(now_s)
        else:
            member.breaker.note_abandoned(now_s)
        self.tell(Unrouted(now_s, opened.request, member.name, status, opened.num_output_tokens))

    def take_back(self, opened: OpenRequest) -> None:
        """Let the replica that has a request drop it."""
        member = self.holder(opened)
        if member is not None and member.link is not None:
            member.link.post(Cancel(opened.request.request_id, opened.attempt))
        self.part(opened, Status.CANCELLED)
