"""A sweep in lines: a table of its points, and what is known of its knees."""

from collections.abc import Callable, Mapping

from weft.measurement.knee import Knee
from weft.measurement.serving_figures import UNKNOWN, Latency
from weft.measurement.simulation_text import error_bar
from weft.measurement.sweep import Sweep, SweepPoint
from weft.measurement.sweep_workers import described, shown

KNEE_MEANS = "output tokens/s within 5 % of those offered, over the second half of each run"


def table(sweep: Sweep) -> tuple[list[str], list[list[str]]]:
    """Heads with units, and a row of text for each point."""
    swept = list(sweep.points[0].at)
    columns = {name: cell for name, cell in COLUMNS.items() if name != KEEPS_UP or sweep.knees}
    rows = [
        [*map(shown, point.at.values())] + [cell(point) for cell in columns.values()]
        for point in sweep.points
    ]
    return [*swept, *columns], rows


def describe_sweep(sweep: Sweep) -> list[str]:
    """Columns as wide as their widest entry, to the right; below them a line for each knee."""
    heads, rows = table(sweep)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    lines = ["  ".join(map(str.rjust, row, widths)) for row in (heads, rule, *rows)]
    return [*lines, *notes(sweep)]


def notes(sweep: Sweep) -> list[str]:
    """A line for each knee, what the word means, and what the predictions rest on."""
    knees = [_knee(knee, sweep) for knee in sweep.knees]
    meaning = [f"Keeping up: {KNEE_MEANS}."] if knees else []
    return [*knees, *meaning, error_bar(sweep.points[0].result)]


def _knee(knee: Knee, sweep: Sweep) -> str:
    where = f" of {described(knee.at)}" if knee.at else ""
    if knee.kept_up is None:
        assert knee.fell_behind is not None  # at least one rate was tried
        return f"The knee{where} is below the range: not even {shown(knee.fell_behind)} requests/s were kept up with."
    if knee.fell_behind is None:
        return f"The knee{where} is above the range: {shown(knee.kept_up)} requests/s were kept up with."
    half = next(point.half for point in sweep.points if point.at == {**knee.at, "rate": knee.kept_up})
    assert half is not None
    return (
        f"The knee{where} is at {shown(knee.kept_up)} requests/s ({shown(knee.fell_behind)} were too many); "
        f"{half.offered_requests_per_s:.2f} came per second in the half that counts."
    )


def _milliseconds(latency: Latency | None, of: str) -> str:
    return UNKNOWN if latency is None else f"{1e3 * float(getattr(latency, of)):,.1f}"


def _money(point: SweepPoint) -> str:
    cost = point.result.cost_per_million_output_tokens
    return UNKNOWN if cost is None else f"{cost:,.2f}"


def _keeps_up(point: SweepPoint) -> str:
    return UNKNOWN if point.half is None else "yes" if point.half.keeps_up else "no"


KEEPS_UP = "keeps up"
COLUMNS: Mapping[str, Callable[[SweepPoint], str]] = {
    "offered/s": lambda point: f"{point.result.offered_per_s:.2f}",
    "requests/s": lambda point: f"{point.result.serving.requests_per_s:.2f}",
    "output tok/s": lambda point: f"{point.result.serving.output_tokens_per_s:,.0f}",
    "TTFT p50 ms": lambda point: _milliseconds(point.result.serving.ttft, "median_s"),
    "TTFT p99 ms": lambda point: _milliseconds(point.result.serving.ttft, "p99_s"),
    "TPOT p50 ms": lambda point: _milliseconds(point.result.serving.tpot, "median_s"),
    "TPOT p99 ms": lambda point: _milliseconds(point.result.serving.tpot, "p99_s"),
    "KV mean %": lambda point: f"{100 * point.result.kv_usage_mean:.1f}",
    "preemptions": lambda point: f"{point.result.preemptions:,}",
    "failed": lambda point: f"{point.result.serving.num_failed:,}",
    "$/M output": _money,
    KEEPS_UP: _keeps_up,
}
"""After the swept values. Rates are of requests; latencies are milliseconds."""
