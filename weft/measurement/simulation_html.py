"""A simulation's result as a page: figures, configuration, latencies and what happened over time."""

from collections.abc import Mapping, Sequence

from weft.measurement.html_page import block, page, plots, section, settings
from weft.measurement.request_table import RequestTable
from weft.measurement.simulation import SimulationResult
from weft.measurement.simulation_text import describe_result
from weft.measurement.svg_plot import Line, Plot
from weft.measurement.timeline import Timeline

MOST_QUANTILES = 200
MOST_SHOWN_BINS = 128
MILLISECONDS = 1e3


def simulation_page(result: SimulationResult, configuration: Mapping[str, object]) -> str:
    """One self-contained HTML document. `configuration`: names and values that are shown as they are."""
    return page(
        f"{result.model} under {result.workload}",
        [
            section("Over time", plots("time", _over_time(result.timeline.coarser(MOST_SHOWN_BINS)))),
            section("Latencies", plots("latency", [latencies(result.requests)])),
            section("Figures", block(describe_result(result))),
            section("Configuration", settings(configuration)),
        ],
    )


def latencies(requests: RequestTable) -> Plot:
    """Of requests that were answered: which share of them had at most a latency."""
    ttft, tpot, e2e = _milliseconds(requests)
    lines = [Line("TTFT", shares(ttft)), Line("TPOT", shares(tpot)), Line("E2E", shares(e2e))]
    return Plot(
        "Time to first token, per output token, and to the last token",
        "at most (ms)",
        "share of requests (%)",
        lines,
        x_is_log=True,
    )


def _milliseconds(requests: RequestTable) -> tuple[list[float], list[float], list[float]]:
    ttft, tpot, e2e = [], [], []
    for row in requests.answered():
        arrival_s, first_s = requests.arrival_s[row], requests.first_token_s[row]
        end_s, tokens = requests.end_s[row], requests.output_tokens[row]
        ttft.append(MILLISECONDS * (first_s - arrival_s))
        e2e.append(MILLISECONDS * (end_s - arrival_s))
        if tokens > 1:
            tpot.append(MILLISECONDS * (end_s - first_s) / (tokens - 1))
    return ttft, tpot, e2e


def shares(values: Sequence[float]) -> list[tuple[float, float]]:
    """(value, percent of the values that are at most this), at 200 places at most, from the least to the greatest."""
    ranked, most = sorted(values), len(values) - 1
    places = min(most, MOST_QUANTILES - 1)
    ranks = dict.fromkeys(round(most * place / (places or 1)) for place in range(places + 1))
    return [(ranked[rank], 100.0 * (rank + 1) / len(ranked)) for rank in ranks]


def _over_time(timeline: Timeline) -> list[Plot]:
    def line(name: str, values: Sequence[float], factor: float = 1.0) -> Line:
        middles = ((index + 0.5) * timeline.bin_s for index in range(len(values)))
        return Line(name, [(time_s, factor * value) for time_s, value in zip(middles, values, strict=True)])

    time = f"time (s), means over {timeline.bin_s:.3g} s"
    sequences = [line("running", timeline.running), line("waiting", timeline.waiting)]
    return [
        Plot("Sequences", time, "sequences", sequences),
        Plot("KV cache in use", time, "share of blocks (%)", [line("in use", timeline.kv_usage, 100.0)]),
        Plot(
            "Throughput",
            time,
            "output tokens/s",
            [line("output", timeline.output_tokens, 1.0 / timeline.bin_s)],
        ),
    ]
