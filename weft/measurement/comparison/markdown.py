"""A comparison as a table for a page of text."""

from weft.measurement.comparison.comparing import Comparison, Outcome
from weft.measurement.comparison.text import value_text
from weft.measurement.comparison.verdicts import JUDGED, TITLES


def comparison_markdown(comparison: Comparison) -> str:
    """A row per figure and a column per contestant; in brackets how much better than the first, as the 95 % interval of
    its share; bold: better than each other one by such intervals."""
    outcome = comparison.plain
    names = [each.name for each in outcome.contestants]
    lines = [
        f"| | {' | '.join(f'`{name}`' for name in names)} |",
        f"|---|{'---:|' * len(names)}",
        *(_row(outcome, names, figure) for figure in TITLES),
    ]
    return "\n".join(lines) + "\n"


def _row(outcome: Outcome, names: list[str], figure: str) -> str:
    best = outcome.best(figure) if figure in JUDGED else None
    cells = (_cell(outcome, name, figure, name == best) for name in names)
    return f"| {TITLES[figure]} | {' | '.join(cells)} |"


def _cell(outcome: Outcome, name: str, figure: str, is_best: bool) -> str:
    value = value_text(outcome.mean(name, figure), figure)
    value = f"**{value}**" if is_best else value
    if name == outcome.contestants[0].name or figure not in JUDGED:
        return value
    gain = outcome.gain(name, figure)
    low, high = (f"{share:+.0%}".replace("%", "") for share in (gain.low, gain.high))
    return f"{value} (0 %)" if low.strip("+-") == high.strip("+-") == "0" else f"{value} ({low} to {high} %)"
