"""How far simulated figures are from live ones."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from weft.measurement.serving_figures import Latency, RequestTimes, ServingFigures

FIGURES = ("ttft p50", "ttft p90", "tpot p50", "tpot p90", "e2e p50", "e2e p90", "output tokens/s")
"""Latencies in seconds."""


class Compared(NamedTuple):
    """A figure live and simulated; medians over runs, and that of the errors of each run."""

    live: float
    simulated: float
    error: float


def figures_of(times: Sequence[RequestTimes]) -> dict[str, float]:
    """The `FIGURES` of a run; a time per output token only where an output had several."""
    folded = ServingFigures()
    for each in times:
        folded.add(each)
    report = folded.report()
    found = {"output tokens/s": report.output_tokens_per_s}
    for name, latency in (("ttft", report.ttft), ("tpot", report.tpot), ("e2e", report.e2e)):
        found |= _quantiles(name, latency)
    return {name: found[name] for name in FIGURES if name in found}


def _quantiles(name: str, latency: Latency | None) -> dict[str, float]:
    return {} if latency is None else {f"{name} p50": latency.median_s, f"{name} p90": latency.p90_s}


def relative_errors(live: Mapping[str, float], simulated: Mapping[str, float]) -> dict[str, float]:
    """By how much simulated figures are too high, as a share of the live ones."""
    return {name: simulated[name] / value - 1.0 for name, value in live.items() if value}


def compare(runs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> dict[str, Compared]:
    """Of runs as (live, simulated), each figure that all of them have; nothing of no runs."""
    if not runs:
        return {}
    errors = [relative_errors(live, simulated) for live, simulated in runs]
    return {
        name: Compared(
            median(live[name] for live, _ in runs),
            median(simulated[name] for _, simulated in runs),
            median(each[name] for each in errors),
        )
        for name in FIGURES
        if all(name in each for each in errors)
    }
