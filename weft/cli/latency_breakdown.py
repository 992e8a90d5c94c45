"""`weft bench latency --breakdown`: where the time of one request goes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from weft.cli.bench_output import UNKNOWN, print_heading, print_json, print_table, progress, show
from weft.measurement.bench_model import fitted_options
from weft.measurement.latency_breakdown import (
    BreakdownRow,
    BreakdownSettings,
    PartFigures,
    StageFigures,
    bench_breakdown,
)
from weft.measurement.latency_probes import call_cost_s
from weft.measurement.latency_process import plain_options, talking_model, watched_server
from weft.measurement.latency_stages import Stage
from weft.measurement.machine import describe_machine

TITLES = {"first": "first token", "after": "after it", "all": "all"}


def break_down(
    directory: Path | None, given: Mapping[str, Any], settings: BreakdownSettings, *, as_json: bool
) -> None:
    """Measure and print."""
    model = talking_model(directory)
    longest_tokens = max(settings.prompt_tokens) + settings.output_tokens
    options = fitted_options(model.spec, {"max_num_seqs": 1, **given}, longest_tokens, 1)
    with (
        watched_server(model, plain_options(options, given)) as server,
        progress(settings.num_rounds) as tell,
    ):
        rows = bench_breakdown(settings, server, tell)
        described = {"machine": describe_machine(), "serving": server.serving}
    call_us = 1e6 * call_cost_s()
    if as_json:
        results = [asdict(row) for row in rows]
        told = {"settings": asdict(settings), "call_us": call_us, "results": results}
        print_json({"benchmark": "latency breakdown", **described, **told})
        return
    print_heading(described)
    for row in rows:
        _print(row, call_us)


def _print(row: BreakdownRow, call_us: float) -> None:
    kind = "streamed" if row.streamed else "in one piece"
    click.echo(f"\nprompt {row.prompt_tokens}, output {row.output_tokens}, {kind}")
    first = "" if row.ttft_ms is None else f"first token after {show(row.ttft_ms, 2)} ms, "
    click.echo(f"{first}all after {show(row.latency_ms, 2)} ms")
    click.echo(
        f"watching: {row.calls:,} calls of {call_us:.2f} us, {1e-3 * call_us * row.calls:.2f} ms; "
        f"all took {show(row.added_latency_ms, 2)} ms more than with it off\n"
    )
    heads = [column for name in row.parts for column in (f"{TITLES[name]}, ms", "share")]
    rows = [_cells(stage, [part.stages[stage] for part in row.parts.values()]) for stage in Stage]
    print_table(
        ["stage", *heads, "beside, ms"], [each for each in rows if any(each[1:])] + [_whole(row.parts)]
    )


def _cells(stage: str, figures: Sequence[StageFigures]) -> list[str]:
    """The last column is of all parts together, which come last; empty where the stage never came."""
    if not any(each.ms or each.beside_ms for each in figures):
        return [stage, *[""] * (2 * len(figures) + 1)]
    beside = figures[-1].beside_ms
    shown = [cell for each in figures for cell in (f"{each.ms:,.3f}", f"{each.share:.1%}")]
    return [stage, *shown, UNKNOWN if beside is None else f"{beside:,.3f}"]


def _whole(parts: Mapping[str, PartFigures]) -> list[str]:
    cells = [cell for part in parts.values() for cell in (f"{part.whole_ms:,.3f}", "100.0%")]
    return ["whole", *cells, ""]
