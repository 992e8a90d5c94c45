"""Drafts in a simulation: nobody guesses tokens, chance says how many of them are right.

The chance belongs to a request's position, not to the step that comes to it: whatever else a step holds, and however
often a sequence is preempted, the same guesses are right.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import ClassVar

from weft.contracts.events import Event
from weft.contracts.policies import SequenceView
from weft.contracts.steps import Draft, Step, StepEntry, Verification
from weft.simulator.speculation import Speculation

_WHOLE = float(1 << 64)


class Luck:
    """Which guesses are right: each with chance `acceptance_rate`, independently of all others.

    The draw for a position follows from seed, output and position alone.
    """

    def __init__(self, acceptance_rate: float, seed: int) -> None:
        self._rate = acceptance_rate
        self._seed = seed

    def num_right(self, output: str, position: int, count: int) -> int:
        """How many of `count` guesses, the first for `position` of the output, are right before one is wrong."""
        for ahead in range(count):
            if not self._is_right(output, position + ahead):
                return ahead
        return count

    def _is_right(self, output: str, position: int) -> bool:
        digest = blake2b(f"{self._seed}:acceptance of {output}:{position}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") / _WHOLE < self._rate


class SimulatedDrafter:
    """A `DraftPolicy` that always guesses `num_tokens`; which tokens they are means nothing."""

    observes: ClassVar[tuple[type, ...]] = ()

    def __init__(self, num_tokens: int) -> None:
        self._draft = Draft((0,) * num_tokens, tuple(range(-1, num_tokens - 1)))

    def observe(self, event: Event) -> None:
        """Nothing that happens changes the guesses."""

    def decide(self, sequence: SequenceView, tokens: Sequence[int], now_s: float) -> Draft | None:
        return self._draft


class DraftPasses:
    """How long the draft model takes before a step of the served one.

    In its first pass it computes what the served model computes in the step, and what it lacks of the tokens before:
    one, after a draft that was right to its end. From that pass comes the first guess of each sequence that drafts;
    each further guess takes a pass with one token per sequence.
    """

    def __init__(self, speculation: Speculation) -> None:
        self._seconds = speculation.costs.seconds
        self._windows = speculation.windows_tokens
        self._computed: dict[int, int] = {}

    def seconds(self, step: Step, verified: Mapping[int, Verification]) -> float:
        """Of all passes before a step; `verified`: what comes of its drafts."""
        for admission in step.added:
            self._computed[admission.row] = admission.num_computed
        if not step.entries:
            return 0.0
        drafts = [(entry.start + 1, len(entry.draft.tokens)) for entry in step.entries if entry.draft]
        total = self._first_pass(step.entries, len(drafts))
        for ahead in range(1, max((count for _, count in drafts), default=0)):
            total += self._later_pass([known + ahead for known, count in drafts if count > ahead])
        for entry in step.entries:
            self._computed[entry.row] = _known_after(entry, verified)
        return total

    def _first_pass(self, entries: Sequence[StepEntry], num_outputs: int) -> float:
        chunks = []
        for entry in entries:
            computed = self._computed[entry.row]
            chunks.append((entry.start + entry.num_units - computed, computed))
        num_tokens = sum(tokens for tokens, _ in chunks)
        return self._seconds(num_tokens, num_outputs, 0, (0,) * len(self._windows), chunks)

    def _later_pass(self, lengths: Sequence[int]) -> float:
        """One token for each sequence, which sees so many, itself among them."""
        visible = [
            sum(lengths) if window is None else sum(min(length, window) for length in lengths)
            for window in self._windows
        ]
        return self._seconds(len(lengths), len(lengths), len(lengths), visible, (), max(lengths))


def _known_after(entry: StepEntry, verified: Mapping[int, Verification]) -> int:
    """Tokens whose state in the draft model is right once the step has returned; of its last guess there is none."""
    computed = entry.start + entry.num_units
    if entry.draft is None:
        return computed
    return computed + min(len(entry.draft.tokens) - 1, len(verified[entry.row].accepted))
