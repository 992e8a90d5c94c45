"""How fast an engine is, as its steps and its requests show: what a newcomer can expect, and how many may be in it.

The time of a step is taken as a part that every step has, one per sequence that decodes, and one per token of a prompt.
The first is what steps take that decode for as few as ever did; the others follow as running means from what steps take
beyond that. All are means, for on a busy event loop two results may be told of at once, and the shortest step seen is
then next to nothing. So the time
per output token can be told for any number of sequences: each step brings every one of them a token, and in the long
run each token of an output comes with as many tokens of prompts as requests have for each.
"""

from collections import deque
from math import ceil, inf
from sys import maxsize

from weft.contracts.events import FirstToken, RequestEnded, Status, StepRecord, StepRun
from weft.contracts.requests import Slo
from weft.engine.replica import Replica

SMOOTHING = 0.02
"""Weight of the newest step in running means: fifty steps, about half a second of a GPU's, make up most of them."""
MISSED = 0.05
"""The share of requests that may miss an objective: what corrects the estimates moves until it is so."""
CORRECTION = 0.02
"""By how much a miss lowers the bound; a request in time raises it, by as much less as more are to be in time."""
LEAST_CORRECTION, MOST_CORRECTION = 0.25, 4.0
MOST_REMEMBERED, REMEMBERED_S = 64, 5.0
TYPICAL_OUTPUT_TOKENS = 211.0
"""Expected until one has ended: the mean of Azure's conversations of 2023 (Patel et al., "Splitwise", ISCA 2024)."""


class Mean:
    """A running mean of a share: of sums, so that large observations count for more."""

    __slots__ = ("_above", "_below", "_weight")

    def __init__(self) -> None:
        self._above = self._below = self._weight = 0.0

    def add(self, above: float, below: float) -> None:
        """One more observation."""
        self._above += SMOOTHING * (above - self._above)
        self._below += SMOOTHING * (below - self._below)
        self._weight += SMOOTHING * (1.0 - self._weight)

    def lower(self, above: float) -> None:
        """Each observation so far had so much in it that belongs elsewhere."""
        self._above -= above * self._weight

    @property
    def value(self) -> float:
        """0 before any observation, and where noise made it negative."""
        return max(0.0, self._above / self._below) if self._below else 0.0


class Lateness:
    """How many times what was expected first tokens took: the last few, and none from before `REMEMBERED_S`, so that
    what a crowd did to them is forgotten soon after it is gone."""

    def __init__(self) -> None:
        self._taken = deque[tuple[float, float]](maxlen=MOST_REMEMBERED)

    def add(self, now_s: float, ratio: float) -> None:
        """A first token has come."""
        self._taken.append((now_s, ratio))

    def value(self, now_s: float) -> float:
        """All but `MISSED` kept to this many times what was expected; 1 where there were none."""
        while self._taken and self._taken[0][0] < now_s - REMEMBERED_S:
            self._taken.popleft()
        ratios = sorted(ratio for _, ratio in self._taken)
        return _bounded(ratios[int((1.0 - MISSED) * (len(ratios) - 1))]) if ratios else 1.0


class Pace:
    """Measures an engine from its event log. `objective_s`: the time per output token that is to be kept, or None."""

    def __init__(self, replica: Replica, objective_s: float | None) -> None:
        self._replica, self._objective_s = replica, objective_s
        self._is_known = False
        self._fewest, self._least_s = maxsize, Mean()
        self._per_sequence_s, self._per_prompt_token_s = Mean(), Mean()
        self._prompt_per_output = Mean()
        self._output_tokens = Mean()
        self._correction = 1.0
        self._lateness = Lateness()
        self._expected: dict[str, tuple[float, float]] = {}
        self._last_step_s = replica.now_s
        self._first_token_s: dict[str, float] = {}
        replica.log.subscribe_steps(self._on_step, self._on_run)
        replica.log.subscribe(self._on_first_token, FirstToken)
        replica.log.subscribe(self._on_end, RequestEnded)

    @property
    def most_sequences(self) -> float:
        """So many can decode at once within the objective; without bound where there is none, or nothing is known."""
        per_sequence_s = self._whole_per_sequence_s
        if self._objective_s is None or not per_sequence_s:
            return inf
        return max(1.0, self._correction * (self._objective_s - self._least_s.value) / per_sequence_s)

    @property
    def _whole_per_sequence_s(self) -> float:
        """What a sequence adds to the time of each step, with its share of the prompts that come meanwhile."""
        return self._per_sequence_s.value + self._per_prompt_token_s.value * self._prompt_per_output.value

    def room_s(self, excess: float) -> float:
        """In how many seconds so many sequences will have ended: of as many as run now, each so often as it takes to
        make an output of the mean length."""
        count = self._replica.standing.count
        if excess <= 0.0 or not count or not self._is_known:
            return 0.0
        output_tokens = self._output_tokens.value or TYPICAL_OUTPUT_TOKENS
        return excess * output_tokens * (self._least_s.value + self._whole_per_sequence_s * count) / count

    def prompt_s(self, prompt_tokens: int) -> float:
        """How long a prompt takes where nothing else is to be done; 0 before any step was seen."""
        return self._least_s.value + prompt_tokens * self._per_prompt_token_s.value

    def first_token_s(self, tenant: str, prompt_tokens: int) -> float:
        """When a prompt that comes now will have its first token: after the steps under way and the prompts that wait,
        of other tenants' as much as would be served if tenants took turns; 0 before any step was seen."""
        if not self._is_known:
            return 0.0
        replica = self._replica
        mine = replica.queue.by_tenant.get(tenant)
        own = prompt_tokens + (0 if mine is None else mine.num_tokens)
        num_tenants = len(replica.queue.by_tenant) + (mine is None)
        tokens = min(prompt_tokens + replica.queue.num_tokens, num_tenants * own)
        tokens += sum(sequence.num_missing for sequence in replica.active.values())
        num_steps = len(replica.in_flight) + ceil(tokens / replica.config.max_step_tokens)
        tokens += sum(flight.step.num_tokens - flight.num_standing for flight in replica.in_flight)
        decode_s = self._decode_s(replica.standing.count)
        begun_s = replica.now_s - self._last_step_s if replica.in_flight else 0.0
        wait_s = num_steps * decode_s + tokens * self._per_prompt_token_s.value - min(begun_s, decode_s)
        num_before = min(len(replica.queue), num_tenants * (0 if mine is None else mine.num_sequences))
        return wait_s + self.room_s(num_before + 1 - self._num_places())

    def _num_places(self) -> float:
        """For how many more sequences there are rows, and blocks where they need as many as those that run."""
        replica, most = self._replica, float(len(self._replica.free_rows))
        for group in replica.store.groups:
            available = group.pool.num_available
            held = group.pool.num_blocks - available
            if held:
                most = min(most, available * len(replica.running) / held)
        return most

    def _on_step(self, record: StepRecord) -> None:
        if not record.failed:
            begun_s = max(record.planned_s, self._last_step_s)
            self._note(record.time_s - begun_s, record.num_standing, record.num_tokens - record.num_standing)
        self._last_step_s = record.time_s

    def _on_run(self, run: StepRun) -> None:
        """The last stands for all: they are alike."""
        begun_s = max(run.planned_s[-1], run.times_s[-2] if len(run.times_s) > 1 else self._last_step_s)
        self._note(run.times_s[-1] - begun_s, run.num_standing, 0)
        self._last_step_s = run.times_s[-1]

    def _note(self, step_s: float, num_standing: int, prompt_tokens: int) -> None:
        if step_s <= 0.0:
            return
        self._is_known = True
        self._prompt_per_output.add(prompt_tokens, num_standing)
        if prompt_tokens:
            self._per_prompt_token_s.add(step_s - self._decode_s(num_standing), prompt_tokens)
            return
        if num_standing < self._fewest:
            if self._fewest == maxsize:
                self._per_prompt_token_s.lower(step_s)  # whole steps were put down to their prompts until now
            self._fewest, self._least_s = num_standing, Mean()
        if num_standing == self._fewest:
            self._least_s.add(step_s, 1.0)
        self._per_sequence_s.add(step_s - self._least_s.value, num_standing)

    def _decode_s(self, num_standing: int) -> float:
        return self._least_s.value + self._per_sequence_s.value * num_standing

    @property
    def lateness(self) -> float:
        """Times what `first_token_s` says, at most `MISSED` of the first tokens come later."""
        return self._lateness.value(self._replica.now_s)

    def expect(self, request_id: str, first_s: float) -> None:
        """This request is let in, and its first token expected in so many seconds: it will show how late they come."""
        self._expected[request_id] = self._replica.now_s, first_s

    def _on_first_token(self, event: FirstToken) -> None:
        self._first_token_s[event.request_id] = event.time_s
        asked_s, expected_s = self._expected.pop(event.request_id, (0.0, 0.0))
        if expected_s:
            self._lateness.add(event.time_s, (event.time_s - asked_s) / expected_s)

    def _on_end(self, event: RequestEnded) -> None:
        self._expected.pop(event.request_id, None)
        first_s = self._first_token_s.pop(event.request_id, None)
        if event.status is not Status.FINISHED:
            return
        self._output_tokens.add(event.output_tokens, 1.0)
        if first_s is not None and event.output_tokens > 1 and self._objective_s is not None:
            is_kept = event.time_s - first_s <= self._objective_s * (event.output_tokens - 1)
            self._correct(is_kept=is_kept)

    def _correct(self, *, is_kept: bool) -> None:
        """The quantile of a stream, followed by steps up and down whose sizes are as the shares on its two sides."""
        step = CORRECTION * (MISSED if is_kept else MISSED - 1.0)
        self._correction = _bounded(self._correction * (1.0 + step))


def _bounded(correction: float) -> float:
    return min(MOST_CORRECTION, max(LEAST_CORRECTION, correction))


def within(slo: Slo | None, objective: Slo | None) -> float:
    """The time to the first token that a request is to have, in seconds: its own objective, else the engine's."""
    for each in (slo, objective):
        if each is not None and each.ttft_s is not None:
            return each.ttft_s
    return inf
