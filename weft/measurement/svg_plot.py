"""Line plots as SVG text, to stand in an HTML page: no scripts, nothing from elsewhere, colours by the page's style.

Every line has a dash pattern of its own besides its colour (classes `line0` and on), so that plots can be read in
grey. All text is escaped here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from math import ceil, floor, inf, log10

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 12, 44
MOST_TICKS = 7
LEAST_LOGARITHMIC = 1e-12
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")


@dataclass(frozen=True, slots=True)
class Line:
    """Points in order of x, joined; `marked`: with a dot at each. Where not `is_joined`, in any order, only dots."""

    name: str
    points: Sequence[tuple[float, float]]
    marked: bool = False
    is_joined: bool = True


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over common axes. Labels name the unit. A logarithmic axis leaves out what is 0 or next to it.

    `upright`: named values of x at which a vertical line stands.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_is_log: bool = False
    y_is_log: bool = False
    upright: Sequence[tuple[str, float]] = field(default=())

    def as_svg(self, identity: str) -> str:
        """A figure with a caption and a legend. `identity`: unlike that of other plots on the page."""
        lines = [replace(each, points=self._shown(each)) for each in self.lines]
        points = [point for each in lines for point in each.points]
        if not points:
            return f"<figure><figcaption>{escape(self.title)}</figcaption><p>There is nothing to show.</p></figure>"
        x_axis = _axis([x for x, _ in points], self.x_is_log, LEFT, WIDTH - RIGHT)
        y_axis = _axis([y for _, y in points], self.y_is_log, HEIGHT - BOTTOM, TOP)
        drawn = [
            *(_x_tick(value, x_axis.place(value)) for value in x_axis.ticks),
            *(_y_tick(value, y_axis.place(value)) for value in y_axis.ticks),
            _labels(self.x_label, self.y_label),
            *(_upright(row, name, x_axis.place(at)) for row, (name, at) in enumerate(self.upright)),
            *(_line(number, each, x_axis, y_axis) for number, each in enumerate(lines)),
        ]
        return (
            f"<figure><figcaption>{escape(self.title)}</figcaption>"
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{identity}">'
            f'<title id="{identity}">{escape(self._described())}</title>{"".join(drawn)}</svg>'
            f"{_legend(self.lines)}</figure>"
        )

    def _shown(self, line: Line) -> list[tuple[float, float]]:
        least_x, least_y = (
            LEAST_LOGARITHMIC if is_log else -inf for is_log in (self.x_is_log, self.y_is_log)
        )
        return [(x, y) for x, y in line.points if x >= least_x and y >= least_y]

    def _described(self) -> str:
        names = ", ".join(line.name for line in self.lines)
        marks = "".join(f"; {name} at {value:g}" for name, value in self.upright)
        return f"{self.title}: {self.y_label} over {self.x_label}; {names}{marks}"


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to places in the picture."""

    ticks: Sequence[float]
    place: Callable[[float], float]


def _axis(values: Sequence[float], is_log: bool, begin: float, end: float) -> _Axis:
    low, high = min(values), max(values)
    ticks = log_ticks(low, high) if is_log else linear_ticks(min(0.0, low), high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    scale: Callable[[float], float] = log10 if is_log else float
    over = (scale(high) - scale(low)) or 1.0
    return _Axis(ticks, lambda value: begin + (scale(value) - scale(low)) / over * (end - begin))


def linear_ticks(low: float, high: float) -> list[float]:
    """At most seven round numbers, the last at `high` or above it, the first at `low` or below."""
    rough = (high - low) / (MOST_TICKS - 2) or 1.0
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten where there are few, else powers of ten; from below `low` to above `high`."""
    first, last = floor(log10(low) + 1e-9), ceil(log10(high) - 1e-9)
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    stride = max(1, ceil((last - first) / MOST_TICKS))
    ticks = [factor * 10.0**power for power in range(first, last + stride, stride) for factor in factors]
    below = [tick for tick in ticks if tick <= low * (1 + 1e-9)]
    above = [tick for tick in ticks if tick >= high * (1 - 1e-9)]
    return [tick for tick in ticks if below[-1] <= tick <= above[0]]


def _x_tick(value: float, x: float) -> str:
    bottom = HEIGHT - BOTTOM
    grid = f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>'
    return f'{grid}<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{_number(value)}</text>'


def _y_tick(value: float, y: float) -> str:
    grid = f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
    return f'{grid}<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'


def _number(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _labels(x_label: str, y_label: str) -> str:
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    return (
        f'<text x="{middle_x:g}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(14 {middle_y:g}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )


def _upright(row: int, name: str, x: float) -> str:
    """Names stand below each other, so that those of neighbours can be read."""
    anchor, offset = ("end", -4) if x > WIDTH / 2 else ("start", 4)
    return (
        f'<line class="upright" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text x="{x + offset:.1f}" y="{TOP + 12 + 14 * row}" text-anchor="{anchor}">{escape(name)}</text>'
    )


def _line(number: int, line: Line, x_axis: _Axis, y_axis: _Axis) -> str:
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle class="{_style(number)}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
    drawn = f'<polyline class="{_style(number)}" stroke-dasharray="{_dash(number)}" points="{path}"/>'
    if not line.is_joined:
        return dots
    return drawn + (dots if line.marked or len(places) == 1 else "")


def _legend(lines: Sequence[Line]) -> str:
    if len(lines) < 2:
        return ""
    keys = (f"<li>{_key(number)} {escape(line.name)}</li>" for number, line in enumerate(lines))
    return f'<ul class="legend">{"".join(keys)}</ul>'


def _key(number: int) -> str:
    """A short piece of the line."""
    drawn = (
        f'<line class="{_style(number)}" stroke-dasharray="{_dash(number)}" x1="0" y1="4" x2="28" y2="4"/>'
    )
    return f'<svg viewBox="0 0 28 8" aria-hidden="true">{drawn}</svg>'


def _dash(number: int) -> str:
    return DASHES[number % len(DASHES)]


def _style(number: int) -> str:
    return f"line{number % len(DASHES)}"
