"""A comparison as a page of one file."""

from collections.abc import Iterator, Mapping

from weft.measurement.comparison.comparing import Comparison
from weft.measurement.comparison.text import HEADS, table_rows
from weft.measurement.comparison.verdicts import TITLES, verdicts
from weft.measurement.html_page import page, paragraphs, plots, section, settings, table
from weft.measurement.svg_plot import Line, Plot

AXES = {
    "load": "load, times the rate",
    "outputs": "outputs, times as long",
    "burstiness": "burstiness (cv of gaps)",
}
PLOTTED = ("goodput_per_s", "ttft_mean_s", "ttft_p99_s", "tpot_p99_s", "fairness", "experience")


def comparison_page(comparison: Comparison, configuration: Mapping[str, object]) -> str:
    """One self-contained HTML document. `configuration`: names and values that are shown as they are."""
    question = comparison.question
    parts = [
        section("In words", paragraphs(verdicts(comparison))),
        section("Table", table(HEADS, table_rows(comparison.plain))),
    ]
    parts += [
        section(f"Against the {AXES[axis].split(',')[0]}", plots(axis, _plots(comparison, axis)))
        for axis in dict.fromkeys(axis for axis, _ in comparison.varied)
    ]
    parts.append(section("Configuration", settings(configuration)))
    return page(f"Policies for {question.model} under {question.workload}", parts)


def _plots(comparison: Comparison, axis: str) -> Iterator[Plot]:
    for figure in PLOTTED:
        unit = "s" if figure.endswith("_s") and not figure.endswith("_per_s") else TITLES[figure]
        lines = [
            Line(each.name, _points(comparison, axis, each.name, figure), marked=True)
            for each in comparison.plain.contestants
        ]
        yield Plot(TITLES[figure], AXES[axis], unit, lines, y_is_log=unit == "s")


def _points(comparison: Comparison, axis: str, name: str, figure: str) -> list[tuple[float, float]]:
    found = [
        (value, outcome.mean(name, figure))
        for (other, value), outcome in comparison.varied.items()
        if other == axis
    ]
    plain = [] if axis == "burstiness" else [(1.0, comparison.plain.mean(name, figure))]
    return sorted([*found, *plain])
