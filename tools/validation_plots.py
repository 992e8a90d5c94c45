"""Predicted against measured as pictures of docs/validation.md, one for each kind of recorded run."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from weft.measurement.svg_plot import HEIGHT, LEFT, TOP, WIDTH, Line, Plot
from weft.measurement.validation.experiment import INTERVAL_OF

Experiments = Sequence[dict[str, Any]]

MILLISECONDS = 1e3
MOST_DOTS = 320
"""Of one picture, all lines together: more are not told apart, and make the file large."""

TITLES = {
    "steps": "Steps",
    "requests": "Time per output token of requests",
    "points": "Time per output token",
}
COLOURS = ("#0b61a4", "#b3470b", "#2a7a2a", "#8a2a8a", "#8a6d00", "#4a4a4a")
STYLE = (
    "text{font:12px sans-serif;fill:#1a1a1a}.grid{stroke:#d8d8d8}polyline{fill:none}circle{fill-opacity:.4}"
    + "".join(
        f".line{n}{{stroke:{colour}}}circle.line{n}{{fill:{colour}}}" for n, colour in enumerate(COLOURS)
    )
)
"""In the file itself: a picture that a page refers to does not see the page's style."""


def write_plots(experiments: Experiments, directory: Path) -> list[Path]:
    """A file for each kind of run that there is, named after it."""
    written = []
    for kind in TITLES:
        groups = dots_of(experiments, kind)
        if groups:
            path = directory / f"validation-{kind}.svg"
            path.write_text(standalone(scatter(TITLES[kind], groups), kind), encoding="utf-8")
            written.append(path)
    return written


def dots_of(experiments: Experiments, kind: str) -> dict[str, list[tuple[float, float]]]:
    """Measured and predicted values of a kind of run, in milliseconds: of steps by model, of the others by device."""
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in experiments:
        if each["kind"] == kind and not each["refusal"]:
            facts = each["facts"]
            name = facts["model"].rpartition("/")[2] if kind == "steps" else facts["hardware"]
            pairs = each["pairs"][INTERVAL_OF[kind]]
            groups[name] += [(MILLISECONDS * measured, MILLISECONDS * found) for measured, found in pairs]
    return dict(sorted(groups.items()))


def scatter(title: str, groups: dict[str, list[tuple[float, float]]]) -> Plot:
    """Thinned alike in all groups; a prediction without error lies on the line."""
    stride = -(-sum(map(len, groups.values())) // MOST_DOTS)
    ends = [value for dots in groups.values() for dot in dots for value in dot]
    diagonal = Line("no error", [(end, end) for end in (min(ends), max(ends))])
    lines = [Line(name, dots[::stride], is_joined=False) for name, dots in groups.items()]
    return Plot(title, "measured (ms)", "predicted (ms)", [*lines, diagonal], x_is_log=True, y_is_log=True)


def standalone(plot: Plot, identity: str) -> str:
    """The drawing of a plot as a file of its own, with its legend inside."""
    figure = plot.as_svg(identity)
    head, _, drawn = figure[figure.index("<svg") : figure.index("</svg>")].partition(">")
    return (
        f'{head} xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{drawn}{_legend(plot.lines)}</svg>\n'
    )


def _legend(lines: Sequence[Line]) -> str:
    """Beside each other dots, for lines a dash, at the top left, where few predictions lie."""
    rows = []
    for number, line in enumerate(lines):
        y = TOP + 16 + 16 * number
        style = f"line{number % len(COLOURS)}"
        mark = f'<circle class="{style}" cx="{LEFT + 16}" cy="{y - 4}" r="3"/>'
        if line.is_joined:
            mark = f'<line class="{style}" x1="{LEFT + 8}" y1="{y - 4}" x2="{LEFT + 24}" y2="{y - 4}"/>'
        rows.append(f'{mark}<text x="{LEFT + 30}" y="{y}">{escape(line.name)}</text>')
    return "".join(rows)
