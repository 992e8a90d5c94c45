"""A validation as a page: predicted against measured, and the figures."""

from collections.abc import Sequence

from weft.contracts.version import __version__
from weft.measurement.html_page import block, page, plots, section, settings
from weft.measurement.svg_plot import Line, Plot
from weft.measurement.validation.figures import Pair
from weft.measurement.validation.text import describe_against
from weft.measurement.validation.validating import Validation

MILLISECONDS = 1e3
MOST_POINTS = 2000
"""Of one kind of run: more are not seen, and make the page large."""


def validation_page(validation: Validation) -> str:
    """One self-contained HTML document."""
    about = {
        "directory": validation.directory,
        "date": validation.date,
        "weft": __version__,
        "commit": validation.machine["commit"],
        **validation.choices,
    }
    return page(
        "Predicted and measured",
        [
            section("Predicted against measured", plots("pairs", scatter_plots(validation))),
            section("Errors", block(describe_against(validation))),
            section("About", settings(about)),
        ],
    )


def scatter_plots(validation: Validation) -> list[Plot]:
    """One for each kind of value; a prediction without error lies on the line."""
    by_name: dict[str, dict[str, list[Pair]]] = {}
    for experiment in validation.experiments:
        for name, pairs in experiment.pairs.items():
            by_name.setdefault(name, {}).setdefault(experiment.run.kind, []).extend(pairs)
    return [_scatter(name, kinds) for name, kinds in by_name.items()]


def _scatter(name: str, kinds: dict[str, list[Pair]]) -> Plot:
    lines = [
        Line(
            kind,
            [(MILLISECONDS * p.measured, MILLISECONDS * p.predicted) for p in _thinned(pairs)],
            is_joined=False,
        )
        for kind, pairs in kinds.items()
    ]
    ends = [each for pairs in kinds.values() for pair in pairs for each in pair if each > 0.0]
    diagonal = [(MILLISECONDS * end, MILLISECONDS * end) for end in (min(ends), max(ends))] if ends else []
    axes = ("measured (ms)", "predicted (ms)")
    return Plot(name, *axes, [*lines, Line("no error", diagonal)], x_is_log=True, y_is_log=True)


def _thinned(pairs: Sequence[Pair]) -> Sequence[Pair]:
    return pairs[:: -(-len(pairs) // MOST_POINTS) or 1]
