"""`weft bench loop`: how late the event loop is while a model computes."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from weft.cli.bench_output import COUNT, MODEL, print_heading, print_json, print_table
from weft.cli.model_options import model_options
from weft.measurement.bench_model import describe_serving, find_model, fitted_options, load_model
from weft.measurement.loop_delay import Delays, measure_loop_delays
from weft.measurement.machine import describe_machine


@click.command()
@click.argument("model", required=False, type=MODEL)
@click.option("--streams", type=COUNT, default=16, show_default=True, help="Sequences that decode.")
@click.option("--prompt-tokens", type=COUNT, default=128, show_default=True, help="Of each stream.")
@click.option("--output-tokens", type=COUNT, default=60, show_default=True, help="Of each stream.")
@click.option("--prefill-tokens", type=COUNT, default=2000, show_default=True, help="Of the long prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@model_options(max_model_len="what the longest request needs")
def command(
    model: Path | None,
    streams: int,
    prompt_tokens: int,
    output_tokens: int,
    prefill_tokens: int,
    as_json: bool,
    given: dict[str, Any],
) -> None:
    """Measure how late the event loop is: idle, while streams decode, and while a long prompt is taken in.

    MODEL is a Hugging Face directory or a .gguf file; without one, a random model of 349 M parameters is made.
    """
    found = find_model(model)
    longest = max(prompt_tokens + output_tokens, prefill_tokens + 1)
    serving = load_model(found, fitted_options(found.spec, given, longest, streams + 1))
    try:
        described = {"machine": describe_machine(), "serving": describe_serving(found, serving)}
        measured = asyncio.run(
            measure_loop_delays(serving, streams, prompt_tokens, prefill_tokens, output_tokens)
        )
    finally:
        serving.close()
    results = {name: getattr(measured, name) for name in ("idle", "decoding", "prefill")}
    if as_json:
        print_json({"benchmark": "loop", **described, "results": {k: asdict(v) for k, v in results.items()}})
    else:
        print_heading(described)
        print_table(
            ("", "median ms", "p99 ms", "most ms", "ticks"), [_row(*item) for item in results.items()]
        )


def _row(name: str, delays: Delays) -> list[str]:
    figures = (delays.median_ms, delays.p99_ms, delays.most_ms)
    return [name, *(f"{figure:.2f}" for figure in figures), f"{delays.num_ticks:,}"]
