"""Constants of servers from recorded runs: python -m tools.fit_servers DIRECTORY [--server NAME].

DIRECTORY has recorded runs (docs/validation.md). A third of the configurations of steps and points, by a digest of what
they are, is fitted; the errors on both others are what the constants are worth. The interval comes from these two, and
what it is worth from each of them with the interval of the other. A prediction is that of `ServerConstants.seconds`,
of a step, or of the time per output token of a point, whose steps have as many sequences as there are clients of one
copy. What the kernels take is predicted with no constants at all.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tools.server_fits import (
    FIRST_MOVES,
    MOVES,
    PARTS,
    Constants,
    Observation,
    calibrating,
    first_tokens,
    fit,
    interval,
)
from weft.costs.servers import FREE, SERVERS, TAKING_TURNS, find_server
from weft.measurement.validation.experiment import INTERVAL_OF, TTFT, Experiment, run_experiment
from weft.measurement.validation.figures import Errors, Pair, covered_share
from weft.measurement.validation.reading import read_runs
from weft.measurement.validation.recorded_run import RecordedRun

MOST_PER_CONFIGURATION = 100
"""Steps of one run that are fitted, evenly spread: those that follow each other are alike."""

ALL_REDUCES = (0.0, 0.0, 0.0, 0.1)
"""Moves of nothing but `all_reduce_slack`."""


def observe(directory: Path, server: str) -> Iterator[Observation]:
    """All steps and points of a kind of server that can be predicted."""
    for run in read_runs(directory):
        if run.facts.server.removesuffix(TAKING_TURNS) == server and run.kind != "requests":
            yield from _observe_run(run)


def _observe_run(run: RecordedRun) -> Iterator[Observation]:
    experiment, doubled = run_experiment(run, server="none"), _with_doubled_all_reduces(run)
    pairs = experiment.pairs.get(INTERVAL_OF[run.kind], ())
    overlapped = find_server(run.facts.server).overlapped
    for index, pair in enumerate(pairs):
        configuration, num_sequences = _configuration(run, index)
        yield Observation(
            configuration,
            _data_set(run),
            pair.predicted,
            num_sequences,
            pair.measured,
            bool(run.steps),
            overlapped,
            experiment.pairs[TTFT][index] if run.points else None,
            run.points[index].input_tokens * (1.0 + run.facts.least_length_share) / 2 if run.points else 0.0,
            doubled.pairs[INTERVAL_OF[run.kind]][index].predicted - pair.predicted,
            doubled.pairs[TTFT][index].predicted - experiment.pairs[TTFT][index].predicted
            if run.points
            else 0.0,
        )


def _with_doubled_all_reduces(run: RecordedRun) -> Experiment:
    """What this adds is what all-reduces take of a prediction: about, in a loop whose steps depend on each other."""
    name = "none, all-reduces twice"
    SERVERS[name] = replace(FREE, all_reduce_slack=2.0)
    try:
        return run_experiment(run, server=name)
    finally:
        del SERVERS[name]


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


def report(observations: Sequence[Observation], server: str = "") -> list[str]:
    """The constants of a server, and their errors by data set and part."""
    fitted = spread([each for each in observations if each.part == PARTS[0]])
    if not fitted or all(each.part != PARTS[1] for each in observations):
        return [f"  {len(observations)} times of it are too few for {len(PARTS)} parts"]
    constants = fit(fitted, MOVES.get(server, FIRST_MOVES))
    ahead = constants._replace(step_s=0.0, sequence_s=0.0)
    to_first = fit(first_tokens(fitted), (0.0, 0.0, FIRST_MOVES[2], 0.0), ahead) if server in MOVES else ahead
    return [
        f"  step_s={constants.step_s:.3g}, sequence_s={constants.sequence_s:.3g}, slack={constants.slack:.3g}, "
        f"all_reduce_slack={constants.all_reduce_slack:.3g}, "
        f"prompt_token_s={to_first.sequence_s:.3g}{_widths(observations, constants)}",
        "  | data set | part | n | median error | 90th percentile | with sign | inside the interval |",
        "  |---|---|---|---|---|---|---|",
        *_error_lines(observations, constants),
        *_first_token_lines(observations, to_first),
    ]


def _widths(observations: Sequence[Observation], constants: Constants) -> str:
    names = {"relative_error": False, "step_error": True}
    used = {name: calibrating(observations, is_step) for name, is_step in names.items()}
    return "".join(f", {name}={interval(some, constants):.2g}" for name, some in used.items() if some)


def _error_lines(observations: Sequence[Observation], constants: Constants) -> Iterator[str]:
    groups: dict[tuple[str, str, bool], list[Pair]] = defaultdict(list)
    for each in observations:
        groups[each.data_set, each.part, each.is_step].append(each.pair(constants))
    for (data_set, part, is_step), pairs in sorted(groups.items()):
        errors = Errors.of(data_set, pairs)
        width = interval(calibrating(observations, is_step, but=part), constants)
        cells = (data_set, part, f"{errors.number}", f"{errors.median:.1%}", f"{errors.p90:.1%}")
        yield f"  | {' | '.join(cells)} | {errors.bias:+.1%} | {covered_share(pairs, width):.0%} of ±{width:.0%} |"


def _first_token_lines(observations: Sequence[Observation], constants: Constants) -> Iterator[str]:
    for part in PARTS:
        pairs = [each.pair(constants) for each in first_tokens(observations) if each.part == part]
        if pairs:
            errors = Errors.of("TTFT", pairs)
            cells = ("TTFT", part, f"{errors.number}", f"{errors.median:.1%}", f"{errors.p90:.1%}")
            yield f"  | {' | '.join(cells)} | {errors.bias:+.1%} | – |"


def report_steps(observations: Sequence[Observation]) -> list[str]:
    """Of runs of steps: what `all_reduce_slack` fitted on one alone is worth on the others, as one run tells no more
    than that; and for each, how much of it is inside the interval of the others, with what was fitted to them."""
    runs: dict[str, list[Observation]] = defaultdict(list)
    for each in observations:
        if each.is_step:
            runs[each.configuration].append(each)
    return [*_pairs_of_runs(runs), *_runs_left_out(runs)] if len(runs) > 1 else []


def spread(observations: Sequence[Observation]) -> list[Observation]:
    """At most `MOST_PER_CONFIGURATION` of each configuration."""
    groups: dict[str, list[Observation]] = defaultdict(list)
    for each in observations:
        groups[each.configuration].append(each)
    return [each for group in groups.values() for each in group[:: -(-len(group) // MOST_PER_CONFIGURATION)]]


def _runs_left_out(runs: dict[str, list[Observation]]) -> Iterator[str]:
    inside = dict[str, tuple[float, float]]()
    for name, own in runs.items():
        others = [each for other, steps in runs.items() if other != name for each in steps]
        constants = fit(others, ALL_REDUCES)
        width = interval(others, constants)
        inside[name] = covered_share([each.pair(constants) for each in own], width), width
    total = sum(len(own) for own in runs.values())
    share = sum(inside[name][0] * len(own) for name, own in runs.items()) / total
    yield from ("  | left out | n | inside the interval of the others |", "  |---|---|---|")
    for name, own in runs.items():
        yield f"  | {name} | {len(own)} | {inside[name][0]:.0%} of ±{inside[name][1]:.1%} |"
    yield f"  | all | {total} | {share:.0%} |"


def _pairs_of_runs(runs: dict[str, list[Observation]]) -> list[str]:
    lines = [
        "  | fitted on | tested on | median error | 90th percentile | of a constant |",
        "  |---|---|---|---|---|",
    ]
    for fitted, own in runs.items():
        constants = fit(own, ALL_REDUCES)
        for tested, others in runs.items():
            if tested != fitted:
                errors = Errors.of(tested, [each.pair(constants) for each in others], beside_a_constant=True)
                constant = f"{errors.constant_median:.1%}, {errors.constant_p90:.1%}"
                lines.append(
                    f"  | {fitted} | {tested} | {errors.median:.1%} | {errors.p90:.1%} | {constant} |"
                )
    return lines


def main() -> None:
    """Fit and report each server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--server", action="append", help="vllm, sglang, trtllm; may be given again")
    given = parser.parse_args()
    for server in given.server or ("vllm", "sglang", "trtllm"):
        observations = list(observe(given.directory, server))
        print(server, *report(observations, server), *report_steps(observations), sep="\n", flush=True)


if __name__ == "__main__":
    main()
