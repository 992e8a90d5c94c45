"""Rows and blocks go to those whose readers gain most by them."""

from collections.abc import Sequence
from math import inf
from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Event, RequestArrived, Status, StepRecord, Transition
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView
from weft.policies.experience import Expectation, advanced, gain, lasts_s
from weft.policies.periodic import Moments
from weft.policies.token_counts import TokenCounts

SMOOTHING = 0.02
"""Weight of the newest step in the mean time between two tokens: about fifty steps count."""
MARGIN_S = 1e-3
"""Far more than sums of times are off by rounding."""
MOST_CONSIDERED = 64
"""Of those that wait, the first so many compete with those that run."""


class QualityOfExperience(OrderPolicy):
    """Who gains most quality of experience per token of state by being served for the next while, against waiting, is
    served (Liu et al., Andes, arXiv 2404.16283, section 4: a knapsack filled greedily). Where rows or blocks are
    short, those that run and would not be chosen give way. Requests name what they expect by their objectives.

    `ttft_s`, `tokens_per_s`: what readers expect whose requests name nothing: the first token within so many seconds,
    and then as fast as one reads (section 2). `horizon_s`: over which gains are compared, in seconds.
    `preemptions_per_request`: the most, on average (section 4.3), since what was given up must be brought back.
    """

    displaces: ClassVar[bool] = True
    observes: ClassVar[tuple[type, ...]] = (RequestArrived, Transition, StepRecord)

    def __init__(
        self,
        ttft_s: float = 1.0,
        tokens_per_s: float = 4.8,
        horizon_s: float = 10.0,
        preemptions_per_request: float = 1.0,
    ) -> None:
        given = {"ttft_s": ttft_s, "tokens_per_s": tokens_per_s, "horizon_s": horizon_s}
        for name, value in (*given.items(), ("preemptions_per_request", preemptions_per_request)):
            if not value > 0:
                raise ConfigurationError(f"andes: {name} is {value}; it must be above 0")
        self._expected = Expectation(ttft_s, tokens_per_s)
        self._horizon_s, self._preemptions_per_request = horizon_s, preemptions_per_request
        self._counts = TokenCounts()
        self._stops: dict[int, list[tuple[float, int]]] = {}
        self._content_until_s: dict[int, float] = {}
        self._num_requests = self._num_preemptions = 0
        self._step_s = self._last_step_s = 0.0
        self._moments = Moments()
        self.rerank = self._moments.due

    def observe(self, event: Event) -> None:
        match event:
            case StepRecord():
                self._on_step(event)
            case Transition():
                self._on_transition(event)
            case _:
                self._num_requests += 1

    def _on_step(self, event: StepRecord) -> None:
        self._counts.on_step(event)
        step_s = event.time_s - max(event.planned_s, self._last_step_s)
        self._step_s += (SMOOTHING if self._step_s else 1.0) * (step_s - self._step_s)
        self._last_step_s = event.time_s
        self._moments.step_ended(event.time_s)
        self.rerank = self._moments.due

    def _on_transition(self, event: Transition) -> None:
        self._counts.on_transition(event)
        number = event.sequence_number
        if not self._counts.knows(number):
            self._stops.pop(number, None)
            self._content_until_s.pop(number, None)
        elif event.after in (Status.RUNNING, Status.PREEMPTED):
            self._num_preemptions += event.before is Status.RUNNING
            self._stops.setdefault(number, []).append((event.time_s, self._counts.tokens(number)))

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        # A reader who has enough to read beyond the horizon gains nothing before that has run down, whatever comes. So
        # the question is not asked again until then; that changes no answer.
        content = self._content_until_s.get(sequence.number, -inf) > now_s
        gain_share = 0.0 if content else self._gain(sequence, now_s)
        return (-gain_share / sequence.num_known, sequence.arrival_s)

    def _gain(self, sequence: SequenceView, now_s: float) -> float:
        """What a reader's quality will be over the horizon, served against waiting."""
        expected, number, since_s = self._expectation(sequence), sequence.number, sequence.arrival_s
        tokens_per_s, stops, arrived = (
            expected.tokens_per_s,
            self._stops.get(number, ()),
            self._counts.tokens(number),
        )
        # Nothing had arrived at the first stop, when it was let in for the first time.
        progress = (stops[0][0] - since_s if stops else 0.0, 0.0, 0.0, 0.0)
        for time_s, number_then in stops[1:]:
            progress = advanced(progress, time_s - since_s, number_then, tokens_per_s)
        progress = advanced(progress, now_s - since_s, arrived, tokens_per_s)
        spare_s = lasts_s(progress, tokens_per_s) - self._horizon_s - MARGIN_S
        if spare_s > 0.0 and stops:
            self._content_until_s[number] = now_s + spare_s
        more = self._horizon_s / self._step_s if self._step_s else self._horizon_s * tokens_per_s
        return gain(progress, expected, self._horizon_s, more)

    def _expectation(self, sequence: SequenceView) -> Expectation:
        slo = sequence.request.slo
        if slo is None:
            return self._expected
        ttft_s = self._expected.ttft_s if slo.ttft_s is None else slo.ttft_s
        return Expectation(ttft_s, 1 / slo.tpot_s if slo.tpot_s else self._expected.tokens_per_s)

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        allowed = int(self._preemptions_per_request * self._num_requests) - self._num_preemptions
        if allowed < 1:
            return ()
        competing = [*view.running, *view.waiting[:MOST_CONSIDERED]]
        ranked = sorted((self.decide(view, each, now_s), each.number, each) for each in competing)
        chosen = self._knapsack(view, [each for _, _, each in ranked])
        if head.number not in chosen:
            return ()
        able = {each.number: each for each in candidates if each.number not in chosen}
        losers = [able[number] for _, number, _ in reversed(ranked) if number in able]
        return losers[:allowed]

    def _knapsack(self, view: EngineView, competing: Sequence[SequenceView]) -> dict[int, None]:
        """The numbers of those that had best run, the first first, as many as there are rows and blocks for."""
        num_tokens = num_blocks = 0
        for each in view.running:
            num_tokens += each.num_known
            num_blocks += each.num_blocks
        room_tokens, chosen, left = (
            num_tokens / max(1, num_blocks) * view.num_blocks,
            dict[int, None](),
            view.max_running,
        )
        for each in competing:
            if not left:
                break
            known = each.num_known
            if known <= room_tokens:
                chosen[each.number] = None
                room_tokens -= known
                left -= 1
        return chosen
