"""Rows and blocks go to those whose readers gain most by them."""

from collections.abc import Sequence
from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Event, RequestArrived, Status, StepRecord, Transition
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView
from weft.policies.experience import Expectation, Reading
from weft.policies.periodic import Moments
from weft.policies.token_counts import TokenCounts

SMOOTHING = 0.02
"""Weight of the newest step in the mean time between two tokens: about fifty steps count."""
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
        elif event.after in (Status.RUNNING, Status.PREEMPTED):
            self._num_preemptions += event.before is Status.RUNNING
            self._stops.setdefault(number, []).append((event.time_s, self._counts.tokens(number)))

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (-self._gain(sequence, now_s) / sequence.num_known, sequence.arrival_s)

    def _gain(self, sequence: SequenceView, now_s: float) -> float:
        """What a reader's quality will be over the horizon, served against waiting."""
        expected, reading = self._expectation(sequence), self._reading(sequence, now_s)
        end_s, arrived = reading.time_s + self._horizon_s, reading.arrived
        more = self._horizon_s / self._step_s if self._step_s else self._horizon_s * expected.tokens_per_s
        served = reading.advanced(end_s, arrived + more, expected.tokens_per_s).quality(expected)
        return served - reading.advanced(end_s, arrived, expected.tokens_per_s).quality(expected)

    def _expectation(self, sequence: SequenceView) -> Expectation:
        slo = sequence.request.slo
        if slo is None:
            return self._expected
        ttft_s = self._expected.ttft_s if slo.ttft_s is None else slo.ttft_s
        return Expectation(ttft_s, 1 / slo.tpot_s if slo.tpot_s else self._expected.tokens_per_s)

    def _reading(self, sequence: SequenceView, now_s: float) -> Reading:
        tokens_per_s, reading = self._expectation(sequence).tokens_per_s, Reading()
        for time_s, arrived in self._stops.get(sequence.number, ()):
            reading = reading.advanced(time_s - sequence.arrival_s, arrived, tokens_per_s)
        arrived = self._counts.tokens(sequence.number)
        return reading.advanced(now_s - sequence.arrival_s, arrived, tokens_per_s)

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        allowed = int(self._preemptions_per_request * self._num_requests) - self._num_preemptions
        if allowed < 1:
            return ()
        competing = [*view.running, *view.waiting[:MOST_CONSIDERED]]
        ranks = {each.number: self.decide(view, each, now_s) for each in competing}
        competing.sort(key=lambda each: (ranks[each.number], each.number))
        chosen = self._knapsack(view, competing)
        if head.number not in chosen:
            return ()
        losers = [each for each in candidates if each.number not in chosen]
        losers.sort(key=lambda each: (ranks[each.number], each.number), reverse=True)
        return losers[:allowed]

    def _knapsack(self, view: EngineView, competing: Sequence[SequenceView]) -> dict[int, None]:
        """The numbers of those that had best run, the first first, as many as there are rows and blocks for."""
        running = list(view.running)
        tokens_per_block = sum(s.num_known for s in running) / max(1, sum(s.num_blocks for s in running))
        room_tokens, chosen = tokens_per_block * view.num_blocks, dict[int, None]()
        for each in competing:
            if len(chosen) < view.max_running and each.num_known <= room_tokens:
                chosen[each.number] = None
                room_tokens -= each.num_known
        return chosen
