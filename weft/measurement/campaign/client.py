"""One who asks a router for something, listens, and checks what it is told."""

import asyncio
from collections.abc import Callable, Iterator
from math import inf

from weft.cluster.member import Phase
from weft.cluster.router import Router
from weft.contracts.errors import InvalidRequest, InvariantViolation, RequestRejected
from weft.contracts.events import RequestEnded, Status
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request
from weft.contracts.steps import TokenLogprobs
from weft.engine.replica import Output
from weft.measurement.campaign.history import History, Moves
from weft.measurement.campaign.requests import request_of
from weft.measurement.campaign.world import ClientPlan

News = Output | RequestEnded | Exception
LEAST_WAIT_S, MOST_WAIT_S = 0.05, 2.0
"""Before it asks again."""


class Told:
    """Of one output. `is_cut`: its client has ended it."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprobs] = []
        self.has_ended = self.is_cut = False


class Visit:
    """One request of a client, from asking to its end, or until the client leaves. `moves`: what is done with it.
    `end`: None before, and where it left; `is_refused`: it was not let in, for the reason `refusal`; for want of room,
    while the replicas `unasked` took requests."""

    def __init__(
        self,
        plan: ClientPlan,
        request: Request,
        router: Router,
        moves: Moves,
        note: Callable[[object], object],
    ) -> None:
        self.plan, self.request, self.moves = plan, request, moves
        self._router, self._note = router, note
        self._loop = asyncio.get_running_loop()
        self.asked_s = self._loop.time()
        self.told = [Told() for _ in range(request.sampling.n)]
        self.end: RequestEnded | None = None
        self.is_refused = self.has_left = False
        self.left_s, self.refusal = 0.0, ""
        self.unasked: list[str] = []
        self.retry_after_s: float | None = None
        self.is_over = asyncio.Event()
        self.violations: list[InvariantViolation] = []

    def ask(self) -> None:
        """Begin."""
        try:
            self._router.ask(self.request, self.hear, whole=self.plan.whole)
        except RequestRejected as refusal:
            self._refused(refusal)

    def hear(self, news: News) -> None:
        """The router's sink."""
        self._note((self._loop.time(), self.request.request_id, repr(news)))
        if self.has_left:
            self._complain("told_after_leaving", news)
        elif self.end is not None or self.is_refused:
            self._complain("told_after_end", news)
        elif isinstance(news, Output):
            self._hear_output(news)
        elif isinstance(news, RequestEnded):
            self._hear_end(news)
        elif isinstance(news, RequestRejected) and not any(told.tokens for told in self.told):
            self._refused(news)
        else:
            self._complain("refused_rightly", news)
            self.is_over.set()

    def _refused(self, refusal: RequestRejected) -> None:
        self.refusal = refusal.reason
        if not isinstance(refusal, InvalidRequest):
            asked = [each.replica for each in self.moves]
            self.unasked = [name for name in self._takers() if name not in asked]
        self.is_refused, self.retry_after_s = True, refusal.retry_after_s
        self.is_over.set()

    def _takers(self) -> list[str]:
        members, now_s = self._router.membership.members, self._loop.time()
        return [
            name for name, each in members.items() if each.phase is Phase.UP and each.breaker.allows(now_s)
        ]

    def _hear_output(self, news: Output) -> None:
        if news.request_id != self.request.request_id or not 0 <= news.sample_index < len(self.told):
            self._complain("own_news", news)
            return
        told = self.told[news.sample_index]
        if told.has_ended and not (told.is_cut and not news.tokens):
            self._complain("told_after_end", news)
            return
        told.tokens += news.tokens
        told.logprobs += news.logprobs
        told.has_ended = news.status is not None
        if not self.plan.whole and not told.has_ended:
            self._consider_stopping(news.sample_index, told)

    def _consider_stopping(self, sample: int, told: Told) -> None:
        stop = self.plan.stop
        if stop is not None and stop.sample == sample and len(told.tokens) > stop.seen:
            self._loop.call_later(stop.lag_s, self._stop, sample, told, stop.keep)

    def _stop(self, sample: int, told: Told, keep: int) -> None:
        """As a server does: when it has looked at the text."""
        if told.has_ended or self.end is not None or self.has_left:
            return
        told.is_cut = True
        if not self._router.stop_output(self.request.request_id, sample, keep):
            self._complain("stops_at_once", f"output {sample} has not ended, and cannot be")
            told.is_cut = False
            return
        del told.tokens[keep:], told.logprobs[keep:]
        if not told.has_ended:
            self._complain("stops_at_once", f"output {sample} goes on")

    def _hear_end(self, end: RequestEnded) -> None:
        self.end = end
        self.is_over.set()
        if end.status not in (Status.FINISHED, Status.FAILED):
            self._complain("ends_rightly", end)

    def told_moves(self) -> str:
        """What was done with it, in words."""
        return ", ".join(
            f"{type(each).__name__} {each.replica} at {each.time_s:.6f} s" for each in self.moves
        )

    @property
    def unwanted_s(self) -> float:
        """When its client had left, or had ended the only output; infinity where neither."""
        if self.has_left:
            return self.left_s
        is_cut = len(self.told) == 1 and self.told[0].is_cut
        return self.end.time_s if is_cut and self.end is not None else inf

    def leave(self) -> None:
        """It wants no more."""
        if not self.is_over.is_set():
            self._router.cancel(self.request.request_id)
            self.has_left, self.left_s = True, self._loop.time()
            self.is_over.set()

    def _complain(self, name: str, about: object) -> None:
        detail = f"{self.request.request_id} at {self._loop.time():.6f} s: {about!r:.200}"
        self.violations.append(InvariantViolation(name, detail))


class Client:
    """Lives through its plan. `visits`: its requests, one after the other, all under one id."""

    def __init__(
        self, plan: ClientPlan, router: Router, history: History, note: Callable[[object], object]
    ) -> None:
        self.plan, self._router, self._history, self._note = plan, router, history, note
        self.visits: list[Visit] = []
        self.is_done = asyncio.Event()

    async def live(self, followed: "Client | None") -> None:
        """Until its requests are over."""
        before: tuple[int, ...] = ()
        if followed is not None:
            await followed.is_done.wait()
            before = followed.conversation()
        visit = await self._visit(0, before)
        if self.plan.again and (visit.has_left or visit.is_refused):
            if visit.is_refused:
                await asyncio.sleep(min(max(visit.retry_after_s or 0.0, LEAST_WAIT_S), MOST_WAIT_S))
            await self._visit(1, before)
        self.is_done.set()

    async def _visit(self, turn: int, before: tuple[int, ...]) -> Visit:
        request = request_of(self.plan, turn, before)
        moves = self._history.begin(request.request_id)
        visit = Visit(self.plan, request, self._router, moves, self._note)
        self.visits.append(visit)
        visit.ask()
        if turn == 0 and self.plan.leaves_s is not None:
            asyncio.get_running_loop().call_later(self.plan.leaves_s, visit.leave)
        await visit.is_over.wait()
        return visit

    def conversation(self) -> tuple[int, ...]:
        """Its last prompt and output, for who goes on with them; empty where there is none."""
        visit = self.visits[-1]
        prompt = visit.request.prompt
        if visit.end is None or not isinstance(prompt, TokenPrompt) or prompt.media:
            return ()
        return (*prompt.tokens, *visit.told[0].tokens)

    def violations(self) -> Iterator[InvariantViolation]:
        """What it was told wrongly."""
        for visit in self.visits:
            yield from visit.violations
