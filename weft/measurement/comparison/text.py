"""A comparison as a terminal shows it."""

from collections.abc import Sequence

from weft.measurement.comparison.comparing import Comparison, Outcome
from weft.measurement.comparison.run_figures import RunFigures
from weft.measurement.comparison.verdicts import JUDGED, TITLES, verdicts

HEADS = ("policies", *TITLES.values())
TOLD = {
    "both": "requests name it",
    "ttft": "requests name that for the first token",
    "tpot": "requests name that per output token",
    "none": "requests do not name it",
}


def describe_comparison(comparison: Comparison) -> list[str]:
    """The table and the sentences."""
    rows = [list(HEADS), *table_rows(comparison.plain)]
    # One line per figure: there are more figures than policies, and terminals are narrow.
    turned = list(zip(*rows, strict=True))
    widths = [max(len(line[column]) for line in turned) for column in range(len(rows))]
    lines = [_line(line, widths) for line in turned]
    return [*_about(comparison), "", *lines, "", *verdicts(comparison)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _about(comparison: Comparison) -> list[str]:
    question, outcome = comparison.question, comparison.plain
    objective, num_seeds = question.objective, len(next(iter(outcome.figures.values())))
    goals = [
        f"{name} {value * 1e3:,.0f} ms"
        for name, value in (("TTFT", objective.ttft_s), ("TPOT", objective.tpot_s))
        if value is not None
    ]
    return [
        f"{question.model} under {question.workload}, {question.rate:g} requests/s, {question.requests:,} requests, "
        f"{num_seeds} seeds, first fifth left out",
        f"objective  {' and '.join(goals)}; {TOLD[question.told]}",
        "in brackets: how much better (+) or worse (-) than the first, with the 95 % interval; * best of all by these",
    ]


def table_rows(outcome: Outcome) -> list[list[str]]:
    """One row per contestant, figures in the order of the heads."""
    best = {figure: outcome.best(figure) for figure in RunFigures._fields}
    names = [each.name for each in outcome.contestants]
    return [[name, *(_cell(outcome, name, figure, best) for figure in TITLES)] for name in names]


def _cell(outcome: Outcome, name: str, figure: str, best: dict[str, str | None]) -> str:
    mark = "*" if best[figure] == name else ""
    value = value_text(outcome.mean(name, figure), figure)
    if name == outcome.contestants[0].name or figure not in JUDGED:
        return value + mark
    gain = outcome.gain(name, figure)
    return f"{value}{mark} ({gain.mean:+.0%}; {gain.low:+.0%} to {gain.high:+.0%})"


def value_text(value: float, figure: str) -> str:
    """A figure as one reads it."""
    if figure.endswith("_per_s"):
        return f"{value:.2f}/s"
    return f"{value * 1e3:,.1f} ms" if figure.endswith("_s") else f"{value:.3f}"
