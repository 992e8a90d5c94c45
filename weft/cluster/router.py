"""The router: takes requests, gives each to a replica, and sees it through, also where that replica is lost.

What a client was told stays true. A request of a lost replica goes on elsewhere from the tokens that were told; the
client sees one stream. See `OpenRequest` for what is known of each, `Membership` for who is alive.
"""

import asyncio
from collections.abc import Callable, Iterable

from weft.cluster.assignment import Assignment
from weft.cluster.member import Member, Phase
from weft.cluster.membership import Loss, Membership, Send
from weft.cluster.messages import Ended, News, ProbeAnswer, Refused, Report, StopOutput, Told
from weft.cluster.open_request import OpenRequest, ReplicaMisbehaves, Sink
from weft.cluster.retry_budget import MOST_ATTEMPTS, RetryBudget
from weft.cluster.timing import Timing
from weft.contracts.errors import InvalidRequest, PolicyError, Unavailable
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaJoined, ReplicaLeft, RouteEvent, RoutePolicy
from weft.observation.conditions import sometimes

MOVED = sometimes("router: a request of a lost replica went on elsewhere")
MOVED_MIDWAY = sometimes("router: an output went on elsewhere from its tokens")
STRANDED = sometimes("router: a request waited for any replica to come back")
ABANDONED = sometimes("router: a request waited too long for a replica")
POISONOUS = sometimes("router: a request was given up after several replicas were lost with it")
RETRIED_REFUSAL = sometimes("router: a refused request was tried elsewhere")
RETRIED_FAILURE = sometimes("router: a failed request was tried elsewhere")
STALE_NEWS = sometimes("router: news of an earlier attempt were ignored")
UNSERVED = sometimes("router: a request was refused because no replica takes any")


class Router:
    """`policy` chooses among the replicas of these `names`; `send` puts frames on the fabric. `on_lost` is told of each
    replica that is given up, with the reason; `observe`, of what the policy is told. `tells`: replicas tell tokens as
    they come; else only the end of each request, and one whose replica is lost begins anew. `seed`: of who is probed.
    """

    def __init__(
        self,
        names: Iterable[str],
        policy: RoutePolicy,
        send: Send,
        timing: Timing,
        on_lost: Callable[[str, str], object],
        *,
        observe: Callable[[RouteEvent], object] = lambda event: None,
        tells: bool = True,
        seed: int = 0,
    ) -> None:
        self._timing, self._on_lost, self._tells = timing, on_lost, tells
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, OpenRequest] = {}
        self._stranded: dict[str, OpenRequest] = {}
        self._budget = RetryBudget()
        self.membership = Membership(names, send, timing, self)
        self._assignment = Assignment(policy, self.membership, observe, seed)

    @property
    def num_open(self) -> int:
        """Requests that have not ended."""
        return len(self._open)

    @property
    def num_stranded(self) -> int:
        """Requests that wait for any replica to come back."""
        return len(self._stranded)

    def close(self) -> None:
        """Give up all."""
        self.fail_all("the router was closed")
        self.membership.close()

    def fail_all(self, reason: str) -> None:
        """End all requests."""
        for request_id in list(self._open):
            self.fail(request_id, reason)

    def ask(self, request: Request, sink: Sink, *, whole: bool = False) -> None:
        """Have a request answered; `sink` is told its news, each output as a `whole` at its end or as it comes.

        Raises `InvalidRequest` where its id is in use or it cannot be sent, `Unavailable` where no replica takes
        requests, `PolicyError` where the policy cannot say which.
        """
        if request.request_id in self._open:
            raise InvalidRequest(f"request id {request.request_id!r} is in use; give each request its own")
        opened = OpenRequest(request, sink, is_whole=whole, is_told=self._tells)
        self._budget.note_request()
        member = self._assignment.choose(opened)
        if member is None:
            UNSERVED.hit()
            raise Unavailable(request.request_id, "no replica takes requests now", self._timing.restart_s)
        self._open[request.request_id] = opened
        try:
            self._assignment.give(opened, member)
        except InvalidRequest:
            del self._open[request.request_id]
            self._assignment.part(opened, Status.REJECTED)
            raise

    def cancel(self, request_id: str) -> None:
        """Nobody wants a request any more; its sink hears nothing more of it."""
        if (opened := self._open.pop(request_id, None)) is not None:
            self._stranded.pop(request_id, None)
            self._assignment.take_back(opened)

    def fail(self, request_id: str, reason: str) -> None:
        """End a request that cannot go on, if it is live, naming the reason to its client."""
        if (opened := self._open.pop(request_id, None)) is not None:
            self._stranded.pop(request_id, None)
            self._assignment.take_back(opened)
            opened.end(Status.FAILED, reason, self._loop.time())

    def stop_output(self, request_id: str, sample_index: int, num_tokens: int) -> bool:
        """End one output with its `num_tokens`-th token, which has been told; False where it has ended."""
        opened = self._open.get(request_id)
        if opened is None or not opened.stop(sample_index, num_tokens):
            return False
        member = self._assignment.holder(opened)
        if member is not None and member.link is not None:
            member.link.post(StopOutput(request_id, opened.attempt, sample_index, num_tokens))
        if opened.has_ended:
            self._close(opened, Status.FINISHED, "stop")
        return True

    def drain(self, name: str) -> None:
        """Give a replica no more requests; it ends those that it has."""
        member = self.membership.members[name]
        if member.phase is Phase.UP:
            member.phase = Phase.DRAINING
            self._assignment.tell(ReplicaLeft(self._loop.time(), name))

    def receive(self, name: str, frame: object) -> None:
        """Take in what came over the fabric from a replica."""
        self.membership.receive(name, frame)

    def heard(self, member: Member, message: object) -> None:
        """See `Watcher`."""
        match message:
            case Report(tuple() as news):
                for each in news:
                    self._take(member, each)
            case ProbeAnswer():
                self._assignment.note_probed(member, message)
            case _:
                raise ReplicaMisbehaves(f"it said {message!r:.80}")

    def _take(self, member: Member, news: News) -> None:
        if not isinstance(news, News):
            raise ReplicaMisbehaves(f"it said as news: {news!r:.80}")
        opened = self._open.get(news.request_id)
        if opened is None or opened.member != member.name or opened.attempt != news.attempt:
            STALE_NEWS.hit()
            return
        match news:
            case Told():
                opened.take(news)
            case Ended():
                self._take_end(opened, news)
            case Refused():
                self._take_refusal(opened, member, news)

    def _take_end(self, opened: OpenRequest, ended: Ended) -> None:
        opened.check_end(ended)
        if ended.status is not Status.FAILED:
            self._close(opened, ended.status, ended.reason)
            return
        opened.note_failed()
        self._assignment.part(opened, Status.FAILED)
        if opened.num_failed < MOST_ATTEMPTS and self._budget.take():
            RETRIED_FAILURE.hit()
            self._go_on(opened)
        else:
            self._fail(opened, ended.reason)

    def _take_refusal(self, opened: OpenRequest, member: Member, refused: Refused) -> None:
        self._assignment.part(opened, Status.REJECTED)
        opened.refused[member.name] = refused.retry_after_s
        if not refused.is_invalid and len(opened.refused) < MOST_ATTEMPTS:
            try:
                other = self._assignment.choose(opened)
            except PolicyError as error:
                self._fail(opened, str(error))
                return
            if other is not None and self._budget.take():
                RETRIED_REFUSAL.hit()
                self._assignment.give(opened, other)
                return
        if opened.is_new:
            del self._open[opened.request.request_id]
            opened.say(opened.refusal(refused))
        else:
            self._fail(opened, refused.reason)

    def _close(self, opened: OpenRequest, status: Status, reason: str) -> None:
        del self._open[opened.request.request_id]
        self._stranded.pop(opened.request.request_id, None)
        self._assignment.part(opened, status)
        opened.end(status, reason, self._loop.time())

    def _fail(self, opened: OpenRequest, reason: str) -> None:
        self._close(opened, Status.FAILED, reason)

    def _is_open(self, opened: OpenRequest) -> bool:
        """Those who are told of others may end it meanwhile."""
        return self._open.get(opened.request.request_id) is opened

    def joined(self, member: Member) -> None:
        """See `Watcher`."""
        self._assignment.tell(ReplicaJoined(self._loop.time(), member.name))
        self._rescue()

    def lost(self, member: Member, loss: Loss) -> None:
        """See `Watcher`."""
        for opened in loss.requests:
            opened.note_lost(is_wanted=loss.is_wanted)
            self._assignment.part(opened, Status.FAILED)
        if loss.phase is Phase.UP:
            self._assignment.tell(ReplicaLeft(self._loop.time(), member.name))
        self._on_lost(member.name, loss.reason)
        for opened in filter(self._is_open, loss.requests):
            if opened.num_lost >= MOST_ATTEMPTS:
                POISONOUS.hit()
                self._fail(opened, f"{opened.num_lost} replicas were lost with it; the last: {loss.reason}")
            else:
                MOVED.hit()
                self._go_on(opened)

    def _go_on(self, opened: OpenRequest) -> None:
        """A request that was accepted once is not refused any more, but may have to wait."""
        opened.refused.clear()
        request_id = opened.request.request_id
        try:
            member = self._assignment.choose(opened)
        except PolicyError as error:
            self._fail(opened, str(error))
            return
        if member is not None:
            self._stranded.pop(request_id, None)
            if opened.num_output_tokens:
                MOVED_MIDWAY.hit()
            self._assignment.give(opened, member)
        elif request_id not in self._stranded:
            STRANDED.hit()
            opened.waits_since_s = self._loop.time()
            self._stranded[request_id] = opened

    def _rescue(self) -> None:
        for opened in filter(self._is_open, list(self._stranded.values())):
            self._go_on(opened)

    def passed(self) -> None:
        """See `Watcher`."""
        self._rescue()
        longest_s = self._loop.time() - self._timing.patience_s
        late = [each for each in self._stranded.values() if each.waits_since_s < longest_s]
        for opened in filter(self._is_open, late):
            ABANDONED.hit()
            self._fail(opened, f"no replica took it for {self._timing.patience_s:g} s after its own was lost")
