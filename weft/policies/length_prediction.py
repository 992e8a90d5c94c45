"""How long outputs will be, learned from those that have ended."""

from bisect import bisect_right, insort
from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Protocol

from weft.contracts.events import Event, RequestArrived, RequestEnded, Status, Transition
from weft.contracts.policies import OrderPolicy, SequenceView
from weft.contracts.requests import Request

MOST_REMEMBERED = 64
"""Outputs of a class: the newest, so that what is learned follows what is asked."""
LEAST_REMEMBERED = 8
"""With fewer a class is taken for like all others."""
MOST_CLASSES = 1024


class LengthSource(Protocol):
    """Says how many more tokens an output is expected to have."""

    def remaining(self, sequence: SequenceView) -> float:
        """At least 1, beyond those that it has."""

    def total(self, sequence: SequenceView) -> float:
        """What was to be expected of it at first, whatever it has by now."""


class Lengths:
    """The newest outputs of a class of requests, in order of arrival and of length; `number` of them. `_longest[n]`:
    the sum of the n longest, as the question is asked oftener than the answer changes."""

    def __init__(self) -> None:
        self.number = 0
        self._newest = deque[int]()
        self._sorted: list[int] = []
        self._longest: list[int] = []

    def add(self, num_tokens: int) -> None:
        """One more; the oldest is forgotten."""
        if len(self._newest) == MOST_REMEMBERED:
            del self._sorted[bisect_right(self._sorted, self._newest.popleft()) - 1]
        self._newest.append(num_tokens)
        insort(self._sorted, num_tokens)
        self.number = len(self._sorted)
        self._longest = list(accumulate(reversed(self._sorted), initial=0))

    def remaining(self, emitted: int) -> float:
        """The mean of what outputs had beyond `emitted`, of those that had more. Where none had, as much again: what
        has lasted long is taken to last as long (Harchol-Balter and Downey, SIGMETRICS 1996, of processes)."""
        num_longer = self.number - bisect_right(self._sorted, emitted)
        if not num_longer:
            return float(max(1, emitted))
        return self._longest[num_longer] / num_longer - emitted


class LengthPredictor:
    """Classes are tenants and, of each, prompts of like length (the same power of two). Lengths are learned online; the
    expected rest of an output is conditional on what it has already, so a guess that was too short corrects itself
    (as in Shahout et al., TRAIL, arXiv 2410.01035, but from lengths alone)."""

    def __init__(self) -> None:
        self._all = Lengths()
        self._classes: dict[tuple[str, int], Lengths] = {}

    def learn(self, tenant: str, prompt_tokens: int, num_tokens: int) -> None:
        """An output of such a request has ended by itself."""
        self._all.add(num_tokens)
        key = (tenant, prompt_tokens.bit_length())
        if key not in self._classes and len(self._classes) == MOST_CLASSES:
            del self._classes[next(iter(self._classes))]
        self._classes.setdefault(key, Lengths()).add(num_tokens)

    def remaining(self, sequence: SequenceView) -> float:
        """Never more than the request allows."""
        return self._remaining(sequence.request, sequence.num_output_tokens)

    def total(self, sequence: SequenceView) -> float:
        """From those that have ended by now."""
        return self._remaining(sequence.request, 0)

    def _remaining(self, request: Request, emitted: int) -> float:
        known = self._classes.get((request.tenant, request.prompt.num_tokens.bit_length()))
        lengths = self._all if known is None or known.number < LEAST_REMEMBERED else known
        most = max(1, request.sampling.max_tokens - emitted)
        return min(float(most), lengths.remaining(emitted)) if lengths.number else float(most)


@dataclass(slots=True)
class _Live:
    """A request that has not ended."""

    tenant: str
    prompt_tokens: int
    num_sequences: int = 0


class LearningOrder(OrderPolicy):
    """What orders that expect lengths share. `lengths`: who tells them in place of a predictor of one's own."""

    observes: ClassVar[tuple[type, ...]] = (RequestArrived, Transition, RequestEnded)

    def __init__(self, lengths: LengthSource | None) -> None:
        self._predictor = LengthPredictor()
        self.lengths: LengthSource = self._predictor if lengths is None else lengths
        self._live: dict[str, _Live] = {}

    def observe(self, event: Event) -> None:
        match event:
            case RequestArrived():
                self._live[event.request_id] = _Live(event.tenant, event.prompt_tokens)
            case Transition(before=None) if (known := self._live.get(event.request_id)) is not None:
                known.num_sequences += 1
            case RequestEnded():
                self._on_end(event)

    def _on_end(self, event: RequestEnded) -> None:
        known = self._live.pop(event.request_id, None)
        if known is not None and event.status is Status.FINISHED and known.num_sequences:
            num_tokens = event.output_tokens // known.num_sequences
            self._predictor.learn(known.tenant, known.prompt_tokens, num_tokens)
