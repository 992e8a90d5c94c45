"""A sweep as a page: throughput and latency against the rate, the knee, and the table of points."""

from collections.abc import Callable, Mapping

from weft.measurement.html_page import page, paragraphs, plots, section, settings, table
from weft.measurement.serving_figures import Latency
from weft.measurement.svg_plot import Line, Plot
from weft.measurement.sweep import Sweep, SweepPoint
from weft.measurement.sweep_text import notes
from weft.measurement.sweep_text import table as text_table
from weft.measurement.sweep_workers import described

RATE = "rate"
MILLISECONDS = 1e3

Figure = Callable[[SweepPoint], float | None]


def sweep_page(sweep: Sweep, configuration: Mapping[str, object]) -> str:
    """One self-contained HTML document. `configuration`: names and values that are shown as they are."""
    result = sweep.points[0].result
    return page(
        f"{result.model} under {result.workload}",
        [
            section(
                "Against the load" if RATE in sweep.points[0].at else "Plots", plots("plot", _plots(sweep))
            ),
            section("Points", paragraphs(notes(sweep)), table(*text_table(sweep))),
            section("Configuration", settings(configuration)),
        ],
    )


def _plots(sweep: Sweep) -> list[Plot]:
    """Against the rate, or the first of the swept values where that is not one of them."""
    swept = sweep.points[0].at
    name = RATE if RATE in swept else next(iter(swept))
    label = "rate (requests/s)" if name == RATE else name
    knees = [(f"knee {described(knee.at)}".strip(), knee.rate_per_s) for knee in sweep.knees]
    upright = [(text, rate) for text, rate in knees if rate is not None]
    throughput: dict[str, Figure] = {"output": lambda point: point.result.serving.output_tokens_per_s}
    if sweep.knees:
        throughput = {"offered": _offered, "output": _answered}
    which = "Output tokens, second half of the run" if sweep.knees else "Output tokens"
    return [
        Plot(which, label, "output tokens/s", _lines(sweep, name, throughput), upright=upright),
        *(
            Plot(title, label, "ms", _lines(sweep, name, figures), y_is_log=True, upright=upright)
            for title, figures in LATENCIES.items()
        ),
    ]


def _lines(sweep: Sweep, name: str, figures: Mapping[str, Figure]) -> list[Line]:
    """One for each figure and each combination of the other values."""
    found: dict[str, list[tuple[float, float]]] = {}
    for point in sweep.points:
        others = {other: value for other, value in point.at.items() if other != name}
        for figure, of in figures.items():
            places = found.setdefault(f"{figure} {described(others)}".strip(), [])
            if (value := of(point)) is not None:
                places.append((point.at[name], value))
    return [Line(text, sorted(places), marked=True) for text, places in found.items()]


def _offered(point: SweepPoint) -> float | None:
    return None if point.half is None else point.half.offered_tokens_per_s


def _answered(point: SweepPoint) -> float | None:
    return None if point.half is None else point.half.output_tokens_per_s


def _latency(kind: str, of: str) -> Figure:
    def read(point: SweepPoint) -> float | None:
        latency: Latency | None = getattr(point.result.serving, kind)
        return None if latency is None else MILLISECONDS * float(getattr(latency, of))

    return read


LATENCIES: Mapping[str, Mapping[str, Figure]] = {
    title: {"p50": _latency(kind, "median_s"), "p99": _latency(kind, "p99_s")}
    for title, kind in (
        ("Time to first token", "ttft"),
        ("Time per output token", "tpot"),
        ("End-to-end latency", "e2e"),
    )
}
