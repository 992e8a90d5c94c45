"""Constants of servers from recorded runs: python -m tools.fit_servers DIRECTORY [--server NAME].

DIRECTORY has recorded runs (docs/validation.md). A third of the configurations of steps and points, by a digest of what
they are, is fitted, and from another third comes the interval; the errors on both others are what the constants are
worth, and what the interval covers is counted on the last. A prediction is
`slack * devices + step_s + sequence_s * sequences`, of a step, or of the time per output token of a point, whose steps
have as many sequences as there are clients of one copy. What the devices take is predicted with no constants at all.
"""

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from statistics import median
from typing import NamedTuple

from weft.measurement.validation.experiment import INTERVAL_OF, run_experiment
from weft.measurement.validation.figures import Errors, Pair, covered_share, quantile
from weft.measurement.validation.reading import read_runs
from weft.measurement.validation.recorded_run import RecordedRun

PARTS = ("fitted", "interval", "tested")
"""What the configurations in each third are for."""

STATED_SHARE = 0.8
FIRST_MOVES = (0.1, 1e-3, 2e-5)
LEAST_MOVE = 1e-3
"""Of the first: a search that moves by less is over."""

MOST_PER_CONFIGURATION = 100
"""Steps of one run that are looked at, evenly spread."""


class Constants(NamedTuple):
    """As in `ServerConstants`."""

    slack: float
    step_s: float
    sequence_s: float


class Observation(NamedTuple):
    """One measured time: `device_s` of it on the devices by prediction, in steps of so many sequences."""

    configuration: str
    data_set: str
    device_s: float
    num_sequences: float
    measured_s: float
    is_step: bool = False

    @property
    def part(self) -> str:
        """Which of `PARTS` its configuration belongs to."""
        return PARTS[hashlib.sha256(self.configuration.encode()).digest()[0] % len(PARTS)]

    def pair(self, constants: Constants) -> Pair:
        """With the prediction."""
        host_s = constants.step_s + constants.sequence_s * self.num_sequences
        return Pair(self.measured_s, constants.slack * self.device_s + host_s)


def observe(directory: Path, server: str) -> Iterator[Observation]:
    """All steps and points of a kind of server that can be predicted."""
    for run in read_runs(directory):
        if run.facts.server == server and run.kind != "requests":
            yield from _observe_run(run)


def _observe_run(run: RecordedRun) -> Iterator[Observation]:
    if run.steps:
        stride = -(-len(run.steps) // MOST_PER_CONFIGURATION)
        run = replace(run, steps=run.steps[::stride])
    experiment = run_experiment(run, server="none")
    pairs = experiment.pairs.get(INTERVAL_OF[run.kind], ())
    for index, pair in enumerate(pairs):
        configuration, num_sequences = _configuration(run, index)
        yield Observation(
            configuration, _data_set(run), pair.predicted, num_sequences, pair.measured, bool(run.steps)
        )


def _configuration(run: RecordedRun, index: int) -> tuple[str, float]:
    """Of a step the whole run; of a point what it is, whatever the version, so that repetitions stay together."""
    facts = run.facts
    if run.steps:
        step = run.steps[index]
        return run.path.name, step.decode_sequences + step.prefill_sequences
    point = run.points[index]
    cut = (facts.tp, facts.pp, facts.dp, facts.ep)
    load = (point.input_tokens, point.output_tokens, point.concurrency)
    parts = (facts.model, facts.hardware, facts.quantization, *cut, *load)
    return " ".join(map(str, parts)), point.concurrency / facts.dp


def _data_set(run: RecordedRun) -> str:
    return run.facts.source.partition(",")[0]


def fit(observations: Sequence[Observation], moves: tuple[float, float, float] = FIRST_MOVES) -> Constants:
    """The constants with the least mean error of the logarithm; none below 0. `moves`: 0 for what is not fitted."""
    weights = _weights(observations)

    def loss(constants: Constants) -> float:
        pairs = (each.pair(constants) for each in observations)
        return sum(
            weight * abs(log(pair.predicted / pair.measured))
            for pair, weight in zip(pairs, weights, strict=True)
        )

    return _search(loss, Constants(1.0, 0.0, 0.0), moves)


def _search(
    loss: Callable[[Constants], float], start: Constants, moves: tuple[float, float, float]
) -> Constants:
    """Along each axis and each pair of axes, with moves that shrink where none helps (a pattern search)."""
    best, least, scale = start, loss(start), 1.0
    signs = [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)]
    while scale > LEAST_MOVE:
        tried = [_moved(best, each, tuple(move * scale for move in moves)) for each in signs]
        found = min(tried, key=loss)
        if loss(found) < least:
            best, least = found, loss(found)
        else:
            scale /= 2
    return best


def _moved(constants: Constants, signs: tuple[int, int, int], moves: tuple[float, ...]) -> Constants:
    slack, *host = (value + sign * move for value, sign, move in zip(constants, signs, moves, strict=True))
    return Constants(max(slack, 0.1), *(max(0.0, each) for each in host))


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
    """So far from the prediction, as a share of it, lie four fifths of what is measured, each configuration counting
    once: it is about configurations that nobody has seen."""
    by_configuration: dict[str, list[float]] = defaultdict(list)
    for each in observations:
        pair = each.pair(constants)
        by_configuration[each.configuration].append(abs(pair.measured / pair.predicted - 1.0))
    return quantile(sorted(median(errors) for errors in by_configuration.values()), STATED_SHARE)


def report(observations: Sequence[Observation]) -> list[str]:
    """The constants of a server, and their errors by data set and part."""
    parts = {part: [each for each in observations if each.part == part] for part in PARTS}
    if not parts["fitted"] or not parts["interval"]:
        return [f"  {len(observations)} times of it are too few for {len(PARTS)} parts"]
    constants = fit(parts["fitted"])
    error = interval(parts["interval"], constants)
    lines = [
        f"  step_s={constants.step_s:.3g}, sequence_s={constants.sequence_s:.3g}, slack={constants.slack:.3g}, "
        f"relative_error={error:.2g}",
        "  | data set | part | n | median error | 90th percentile | with sign | inside the interval |",
        "  |---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for each in observations:
        groups[each.data_set, each.part].append(each.pair(constants))
    for (data_set, part), pairs in sorted(groups.items()):
        errors = Errors.of(data_set, pairs)
        cells = (data_set, part, f"{errors.number}", f"{errors.median:.1%}", f"{errors.p90:.1%}")
        lines.append(f"  | {' | '.join(cells)} | {errors.bias:+.1%} | {covered_share(pairs, error):.0%} |")
    return lines


def report_steps(observations: Sequence[Observation]) -> list[str]:
    """Of runs of steps: what `slack` fitted on one alone is worth on the others; one run tells no more than that."""
    runs: dict[str, list[Observation]] = defaultdict(list)
    for each in observations:
        if each.is_step:
            runs[each.configuration].append(each)
    lines = [
        "  | fitted on | tested on | median error | 90th percentile | of a constant |",
        "  |---|---|---|---|---|",
    ]
    for fitted, own in runs.items():
        constants = fit(own, moves=(FIRST_MOVES[0], 0.0, 0.0))
        for tested, others in runs.items():
            if tested != fitted:
                errors = Errors.of(tested, [each.pair(constants) for each in others], beside_a_constant=True)
                constant = f"{errors.constant_median:.1%}, {errors.constant_p90:.1%}"
                lines.append(
                    f"  | {fitted} | {tested} | {errors.median:.1%} | {errors.p90:.1%} | {constant} |"
                )
    return lines if len(runs) > 1 else []


def main() -> None:
    """Fit and report each server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--server", action="append", help="vllm, sglang, trtllm; may be given again")
    given = parser.parse_args()
    for server in given.server or ("vllm", "sglang", "trtllm"):
        observations = list(observe(given.directory, server))
        print(server, *report(observations), *report_steps(observations), sep="\n", flush=True)


if __name__ == "__main__":
    main()
