"""What steps of an engine take beside those made by hand: factors, and seconds for what only an engine does."""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import sqrt
from operator import mul
from typing import NamedTuple

from weft.costs.calibrated import MOST_HOST_SEQUENCES, EngineWork, Settling
from weft.costs.local_profile import LocalProfile
from weft.costs.step_curve import StepCurve
from weft.measurement.calibration.nonnegative import nonnegative_least_squares
from weft.measurement.calibration.serving_load import MOST_TOKENS, ServedStep

SETTLING_STEPS = 2
"""After a prompt, in which it is still felt."""

STRAY_SHARE = 0.01
"""Of steps, those that took the longest for what was in them: somebody else had the processor."""

FEWEST_STEPS = 100
"""That tell anything."""


class Served(NamedTuple):
    """What an engine's steps take beside those made by hand, and for how long after a prompt."""

    work: EngineWork
    settlings: tuple[Settling, ...]

    @property
    def coefficients(self) -> list[float]:
        """In the order of a row's features."""
        settlings = ((each.step, each.token, each.sequence_token) for each in self.settlings)
        return [*self.work, *chain.from_iterable(settlings)]


def fit_serving(curve: StepCurve, runs: Sequence[Sequence[ServedStep]]) -> Served:
    """Coefficients, none below 0, by least squares without strays. Squares are divided by what the curve says, so that
    all steps together take as long as they took: queues follow from that. Where there are too few steps nothing comes
    on top of the curve."""
    rows = [row for run in runs for row in _rows(curve, run)]
    if len(rows) < FEWEST_STEPS:
        return Served(EngineWork(), ())
    found = _fit(rows)
    rows.sort(key=lambda row: row.target - row.weight * row.seconds(found))
    found = _fit(rows[: len(rows) - round(STRAY_SHARE * len(rows))])
    num_work = len(EngineWork._fields)
    settlings = (found[begin : begin + 3] for begin in range(num_work, len(found), 3))
    return Served(
        EngineWork(*found[:num_work]),
        tuple(Settling(step, token, sequence, MOST_TOKENS) for step, token, sequence in settlings),
    )


def slowdown(profile: LocalProfile, runs: Sequence[Sequence[ServedStep]]) -> float:
    """How many times as long as a profile says all steps of some runs took together, strays and all: whoever is served
    waits for these too. 1 where there are too few steps to tell."""
    rows = [row for run in runs for row in _rows(profile.curve, run)]
    if len(rows) < FEWEST_STEPS:
        return 1.0
    coefficients = Served(profile.engine, profile.settlings).coefficients
    said_s = sum(row.seconds(coefficients) for row in rows)
    took_s = sum(row.target / row.weight for row in rows)
    return took_s / said_s


class _Row(NamedTuple):
    """Of one step, weighted so that each counts as much as it takes."""

    features: list[float]
    target: float
    weight: float

    def seconds(self, coefficients: Sequence[float]) -> float:
        """That it takes by these."""
        weighted: float = sum(map(mul, self.features, coefficients))
        return weighted / self.weight


def _fit(rows: Sequence[_Row]) -> list[float]:
    return nonnegative_least_squares([row.features for row in rows], [row.target for row in rows])


def _rows(curve: StepCurve, run: Sequence[ServedStep]) -> Iterator[_Row]:
    """One for each step that followed another at once."""
    prompt_tokens, steps_after = 0, SETTLING_STEPS
    for work, num_admitted, seconds in run:
        new_tokens = sum(tokens for tokens, _ in work.chunks if tokens > 1)
        num_sequences = min(work.num_decodes + len(work.chunks), MOST_HOST_SEQUENCES)
        if seconds is not None and work.num_tokens:
            sizes = work.num_tokens, work.num_outputs, work.num_decodes, work.visible_tokens, work.chunks
            curve_s = curve.seconds(curve.amounts(*sizes))
            settling = [0.0] * 3 * SETTLING_STEPS
            if not new_tokens and steps_after < SETTLING_STEPS:
                tokens = min(prompt_tokens, MOST_TOKENS)
                settling[3 * steps_after : 3 * steps_after + 3] = 1.0, tokens, tokens * work.num_tokens
            of_kind = (0.0, curve_s) if new_tokens else (curve_s, 0.0)
            features = (*of_kind, 1.0, num_sequences, num_admitted, *settling)
            weight = 1.0 / sqrt(curve_s)
            yield _Row([weight * feature for feature in features], weight * seconds, weight)
        if new_tokens:
            prompt_tokens, steps_after = new_tokens, 0
        elif work.num_tokens:
            steps_after += 1
