"""Giving requests to replicas and taking them back: the router's books, and whom its policy is told of."""

import asyncio
from collections.abc import Callable
from math import floor
from random import Random

from weft.cluster.books import ReplicaBooks
from weft.cluster.circuit_breaker import State
from weft.cluster.member import Member, Phase
from weft.cluster.membership import Membership
from weft.cluster.messages import Cancel, Probe, ProbeAnswer, Submit
from weft.cluster.open_request import OpenRequest
from weft.contracts.errors import PolicyError
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.contracts.routing import Probed, Routed, RouteEvent, RoutePolicy, Unrouted


class Assignment:
    """`observe` is told of what the policy is told. `seed`: of who is probed."""

    def __init__(
        self, policy: RoutePolicy, membership: Membership, observe: Callable[[RouteEvent], object], seed: int
    ) -> None:
        self._policy, self._membership, self._observe = policy, membership, observe
        self._loop = asyncio.get_running_loop()
        self._random, self._num_probes = Random(f"{seed}/probes"), 0.0
        self._num_attempts = 0
        self._failed: PolicyError | None = None
        self._seen_changes, self._are_closed = -1, True
        self._ready_members: list[Member] = []
        self._ready_books: list[ReplicaBooks] = []

    def tell(self, event: RouteEvent) -> None:
        """Let the policy know."""
        try:
            self._policy.observe(event)
        except Exception as error:  # what the event finds half done must be finished
            problem = f"observe raised {type(error).__name__}: {error}"
            self._failed = PolicyError(type(self._policy).__name__, problem)
        self._observe(event)

    def holder(self, opened: OpenRequest) -> Member | None:
        """The replica that has a request."""
        return None if opened.member is None else self._membership.members[opened.member]

    def choose(self, opened: OpenRequest) -> Member | None:
        """The replica for a request, None where none may take it. Raises `PolicyError` where the policy fails."""
        now_s, members = self._loop.time(), self._ready()
        if members is None or opened.refused:
            members = [
                each
                for each in self._membership.members.values()
                if each.phase is Phase.UP and each.breaker.allows(now_s) and each.name not in opened.refused
            ]
            books = [each.books for each in members]
        else:
            books = self._ready_books
        return self._decide(opened.request, members, books, now_s) if members else None

    def _ready(self) -> list[Member] | None:
        """Replicas that take requests, looked for only where anything has changed; None while a breaker is not closed,
        because that depends on the time."""
        count = self._membership.changes.count
        if count != self._seen_changes:
            self._seen_changes = count
            up = [each for each in self._membership.members.values() if each.phase is Phase.UP]
            self._are_closed = all(each.breaker.state is State.CLOSED for each in up)
            self._ready_members, self._ready_books = up, [each.books for each in up]
        return self._ready_members if self._are_closed else None

    def _decide(
        self, request: Request, members: list[Member], books: list[ReplicaBooks], now_s: float
    ) -> Member:
        name = type(self._policy).__name__
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed
        try:
            index: object = self._policy.decide(request, books, now_s)
        except Exception as error:
            raise PolicyError(name, f"raised {type(error).__name__}: {error}", request.request_id) from error
        if not isinstance(index, int) or not 0 <= index < len(members):
            raise PolicyError(name, f"chose {index} of {len(members)} replicas", request.request_id)
        return members[index]

    def give(self, opened: OpenRequest, member: Member) -> None:
        """Hand a request to a replica."""
        assert member.link is not None
        self._num_attempts += 1
        opened.attempt = self._num_attempts
        opened.member = member.name
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
