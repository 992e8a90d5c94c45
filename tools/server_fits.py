"""Constants of servers from measured times: which parts these belong to, the fit, and the interval around it."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, product
from math import ceil, log
from typing import NamedTuple

from weft.measurement.validation.figures import Pair, quantile

PARTS = ("fitted", "held out", "held out too")
"""What the configurations in each third are: the interval around one of the others is tested on the other."""

STATED_SHARE = 0.8
FIRST_MOVES = (0.1, 1e-3, 2e-5, 0.0)
MOVES = {"vllm": (0.0, 1e-3, 0.0, 0.1)}
"""Of vLLM nothing is left for each sequence where its host works beside the devices; its third constant is what each
token of a prompt takes before the queue."""

Moves = tuple[float, float, float, float]
LEAST_MOVE = 1e-3
"""Of the first: a search that moves by less is over."""


LEAST_CONFIGURATIONS = 4
"""Of fewer there is no width that four fifths of them stay below."""


class Constants(NamedTuple):
    """As in `ServerConstants`."""

    slack: float
    step_s: float
    sequence_s: float
    all_reduce_slack: float = 1.0

    def devices_s(self, device_s: float, all_reduce_s: float) -> float:
        """Of what takes so long by prediction, all-reduces so long among it."""
        return self.slack * (device_s + (self.all_reduce_slack - 1.0) * all_reduce_s)


class Observation(NamedTuple):
    """One measured time: `device_s` of it on the devices by prediction, `all_reduce_s` of that (of a first token,
    `first_all_reduce_s`) in all-reduces, in steps of so many sequences. `overlapped`: as
    of the server that took it. `first_token`: of a point, with the devices' part as the prediction; `prompt_tokens`:
    about as many came before it."""

    configuration: str
    data_set: str
    device_s: float
    num_sequences: float
    measured_s: float
    is_step: bool = False
    overlapped: bool = False
    first_token: Pair | None = None
    prompt_tokens: float = 0.0
    all_reduce_s: float = 0.0
    first_all_reduce_s: float = 0.0

    @property
    def part(self) -> str:
        """Which of `PARTS` its configuration belongs to."""
        return PARTS[hashlib.sha256(self.configuration.encode()).digest()[0] % len(PARTS)]

    def pair(self, constants: Constants) -> Pair:
        """With the prediction."""
        devices_s = constants.devices_s(self.device_s, self.all_reduce_s)
        host_s = constants.step_s + constants.sequence_s * self.num_sequences
        return Pair(self.measured_s, max(devices_s, host_s) if self.overlapped else devices_s + host_s)


KERNELS_ALONE = Constants(1.0, 0.0, 0.0, 1.0)


def first_tokens(observations: Iterable[Observation]) -> list[Observation]:
    """Their times to the first token, to which each token of the prompt adds in place of each sequence."""
    return [
        each._replace(
            device_s=each.first_token.predicted,
            num_sequences=each.prompt_tokens,
            measured_s=each.first_token.measured,
            overlapped=False,
            all_reduce_s=each.first_all_reduce_s,
        )
        for each in observations
        if each.first_token is not None
    ]


def fit(
    observations: Sequence[Observation],
    moves: Moves = FIRST_MOVES,
    start: Constants = KERNELS_ALONE,
) -> Constants:
    """The constants with the least mean error of the logarithm; none below 0. `moves`: 0 for what is not fitted."""
    weights = _weights(observations)

    def loss(constants: Constants) -> float:
        pairs = (each.pair(constants) for each in observations)
        return sum(
            weight * abs(log(pair.predicted / pair.measured))
            for pair, weight in zip(pairs, weights, strict=True)
        )

    return _search(loss, start, moves)


def _search(loss: Callable[[Constants], float], start: Constants, moves: Moves) -> Constants:
    """Along each axis and each pair of axes, with moves that shrink where none helps (a pattern search)."""
    best, least, scale = start, loss(start), 1.0
    signs = [each for each in product((-1, 0, 1), repeat=len(moves)) if _matter(each, moves)]
    while scale > LEAST_MOVE:
        tried = [_moved(best, each, tuple(move * scale for move in moves)) for each in signs]
        found = min(tried, key=loss)
        if loss(found) < least:
            best, least = found, loss(found)
        else:
            scale /= 2
    return best


def _matter(signs: tuple[int, ...], moves: Moves) -> bool:
    return all(move > 0.0 for sign, move in zip(signs, moves, strict=True) if sign)


def _moved(constants: Constants, signs: tuple[int, ...], moves: tuple[float, ...]) -> Constants:
    slack, *others = (value + sign * move for value, sign, move in zip(constants, signs, moves, strict=True))
    return Constants(max(slack, 0.1), *(max(0.0, each) for each in others))


def _weights(observations: Sequence[Observation]) -> list[float]:
    """Each data set counts once, in it each configuration, in it each observation."""
    sets: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in observations:
        sets[each.data_set][each.configuration] += 1
    return [
        1.0 / len(sets) / len(sets[each.data_set]) / sets[each.data_set][each.configuration]
        for each in observations
    ]


def interval(observations: Sequence[Observation], constants: Constants) -> float:
    """So far from the prediction, as a share of it, lie four fifths of what is measured of four fifths of the
    configurations: it is about those that nobody has seen. Split conformal prediction (Lei et al., J. Am. Stat. Assoc.
    113, 2018, section 2.2) with configurations in place of values. Of fewer than four configurations, so far lie four
    fifths of all, each configuration counting once: over many that nobody has seen four fifths are covered, of a single
    one more or less (Dunn, Wasserman and Ramdas, J. Am. Stat. Assoc. 118, 2023, "pooling CDFs")."""
    by_configuration: dict[str, list[float]] = defaultdict(list)
    for each in observations:
        pair = each.pair(constants)
        by_configuration[each.configuration].append(abs(pair.measured / pair.predicted - 1.0))
    if len(by_configuration) < LEAST_CONFIGURATIONS:
        return _pooled(list(by_configuration.values()))
    widths = sorted(quantile(sorted(errors), STATED_SHARE) for errors in by_configuration.values())
    return widths[min(len(widths), ceil(STATED_SHARE * (len(widths) + 1))) - 1]


def _pooled(groups: Sequence[Sequence[float]]) -> float:
    """The least that as many values as `STATED_SHARE` says do not exceed, where each group counts once."""
    ranked = sorted((error, 1.0 / len(errors)) for errors in groups for error in errors)
    shares = accumulate(weight / len(groups) for _, weight in ranked)
    reached = (
        error for (error, _), share in zip(ranked, shares, strict=True) if share >= STATED_SHARE - 1e-9
    )
    return next(reached)


def calibrating(observations: Sequence[Observation], is_step: bool, but: str = "") -> list[Observation]:
    """What the interval of steps or of points comes from: all held out `but` one part; the fitted ones too where too
    little is left. An interval without a part is tested on it: cross-conformal prediction (Vovk, Ann. Math. Artif.
    Intell. 74, 2015)."""
    alike = [each for each in observations if each.is_step is is_step]
    held_out = [each for each in alike if each.part != PARTS[0] and each.part != but]
    is_enough = len({each.configuration for each in held_out}) >= LEAST_CONFIGURATIONS
    return held_out if is_enough else [each for each in alike if each.part != but]
