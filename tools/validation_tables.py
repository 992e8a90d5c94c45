"""Tables and pictures of docs/validation.md from what `weft validate --against` wrote:

python -m tools.validation_tables FILE [FILE ...] [--plots DIRECTORY]
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tools.validation_plots import write_plots
from weft.measurement.validation.figures import Errors, Pair, covered_share

Experiments = Sequence[dict[str, Any]]


def steps_table(experiments: Experiments) -> list[str]:
    """A row for each run of steps, with what a constant would give."""
    lines = _head(
        "run",
        "n",
        "median",
        "90th percentile",
        "with sign",
        "a constant's median",
        "its 90th percentile",
        "inside",
    )
    for each in experiments:
        if each["kind"] == "steps" and not each["refusal"]:
            error = Errors(**each["errors"][0])
            shares = (error.median, error.p90, error.constant_median, error.constant_p90)
            first, second, third, fourth = (f"{share or 0.0:.1%}" for share in shares)
            inside = _inside(each["covered"])
            lines.append(
                _row(
                    each["run"], str(error.number), first, second, f"{error.bias:+.1%}", third, fourth, inside
                )
            )
    return lines


def requests_table(experiments: Experiments) -> list[str]:
    """A row for each figure, a column for each run."""
    runs = [each for each in experiments if each["kind"] == "requests" and not each["refusal"]]
    lines = _head("error of", *(each["run"] for each in runs))
    for figures in zip(*(each["figures"] for each in runs), strict=True):
        lines.append(_row(figures[0]["name"], *(f"{figure['error']:+.1%}" for figure in figures)))
    return lines


def points_table(experiments: Experiments) -> list[str]:
    """A row for each server, device, model and format: medians of errors, without and with their sign."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for each in experiments:
        if each["kind"] == "points" and not each["refusal"]:
            facts = each["facts"]
            model = facts["model"].rpartition("/")[2]
            groups[facts["server"], facts["hardware"], model, facts["quantization"] or "–"].append(each)
    lines = _head(
        "server", "device", "model", "format", "n", "TPOT", "with sign", "inside", "TTFT", "with sign"
    )
    for name, members in sorted(groups.items()):
        lines.append(_row(*name, *_point_cells(members)))
    everything = [each for members in groups.values() for each in members]
    return [*lines, _row("all", "", "", "", *_point_cells(everything))] if everything else lines


def _point_cells(experiments: Iterable[dict[str, Any]]) -> list[str]:
    listed = list(experiments)
    cells = []
    for name in ("TPOT", "TTFT"):
        errors = Errors.of(name, [pair for each in listed for pair in _pairs(each, name)])
        cells += [f"{errors.median:.1%}", f"{errors.bias:+.1%}"]
    number = sum(each["records"] for each in listed)
    inside = sum(
        covered_share(_pairs(each, "TPOT"), each["relative_error"] or 0.0) * each["records"]
        for each in listed
    )
    return [str(number), *cells[:2], _inside(inside / number), *cells[2:]]


def _pairs(experiment: dict[str, Any], name: str) -> list[Pair]:
    return [Pair(*pair) for pair in experiment["pairs"][name]]


def refusals_table(experiments: Experiments) -> list[str]:
    """What could not be predicted, and why, in groups."""
    groups: dict[tuple[str, str], int] = defaultdict(int)
    for each in experiments:
        if each["refusal"]:
            groups[each["facts"]["model"], each["refusal"].partition(";")[0]] += each["records"]
    return [
        *_head("model", "n", "why"),
        *(_row(model, str(n), why) for (model, why), n in sorted(groups.items())),
    ]


def _inside(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _head(*names: str) -> list[str]:
    return [_row(*names), f"|{'---|' * len(names)}"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """All tables that have rows, of all files together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument(
        "--plots", type=Path, metavar="DIRECTORY", help="write predicted against measured here"
    )
    given = parser.parse_args(arguments)
    experiments: list[dict[str, Any]] = []
    for file in given.files:
        found = json.loads(file.read_text(encoding="utf-8"))
        print(f"weft {found['weft']} ({found['machine']['commit']}), {found['date']}: {file.name}")
        experiments += found["experiments"]
    for table in (steps_table, requests_table, points_table, refusals_table):
        lines = table(experiments)
        if len(lines) > 2:
            print("", *lines, sep="\n")
    for path in write_plots(experiments, given.plots) if given.plots else ():
        print(f"\n{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
