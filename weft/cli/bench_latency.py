"""`weft bench latency`: how fast a model answers, by batch size; or where the time of one request goes."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from weft.cli.bench_output import (
    COUNT,
    bench_options,
    contenders,
    print_heading,
    print_json,
    print_table,
    progress,
    show,
)
from weft.cli.latency_breakdown import break_down
from weft.cli.model_options import model_options
from weft.measurement.bench_model import find_model, fitted_options
from weft.measurement.latency_bench import LatencyRow, LatencySettings, bench_latency
from weft.measurement.latency_breakdown import BreakdownSettings

HEADS = ("batch", "prompt", "output", "", "TTFT ms", "TPOT ms", "ITL p99 ms", "prefill tok/s", "decode tok/s")


@click.command()
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=COUNT,
    default=(1, 4, 8, 16, 32),
    show_default=True,
    help="Requests that are sent at once; may be repeated.",
)
@click.option(
    "--prompt-tokens",
    multiple=True,
    type=COUNT,
    default=(128,),
    show_default=True,
    help="Length of each prompt; may be repeated.",
)
@click.option("--output-tokens", type=COUNT, default=32, show_default=True, help="Length of each output.")
@click.option(
    "--prefill-tokens",
    type=COUNT,
    default=512,
    show_default=True,
    help="Length of one prompt measured alone.",
)
@click.option(
    "--repeats", type=COUNT, default=3, show_default=True, help="Runs that count, after one that does not."
)
@click.option(
    "--breakdown",
    is_flag=True,
    help="Where the time of one request goes, by stage, as a client of the HTTP server sees it.",
)
@bench_options
@model_options(max_model_len="what the longest request needs", max_num_seqs="the largest batch")
def command(
    model: Path | None,
    breakdown: bool,
    as_json: bool,
    against: str | None,
    given: dict[str, Any],
    **settings: Any,
) -> None:
    """Measure time to first token and speed of prefill and decode, by batch size.

    MODEL is a Hugging Face directory or a .gguf file; without one, a random model of 349 M parameters is made.
    Prompts are random tokens and never come twice, so the prefix cache helps nobody. Tokens are chosen
    greedily, ends of sequence ignored. Figures are medians (lowest–highest) over the repeats.

    A dash: not to be told from this run. Of decoding it means that some outputs were over before all had
    begun; ask for longer ones.

    With --breakdown the model is served over HTTP in a process of its own, and chats are asked one at a time, streamed
    and in one piece. Stages are means of the middle half of the repeats, by latency, so that they add up. Beside: work
    that others hid. The random model then has the built-in tokenizer's vocabulary, with which 285 M parameters are
    left.
    """
    if breakdown:
        break_down(model, given, _breakdown_settings(settings), as_json=as_json)
        return
    chosen, found = LatencySettings(**settings), find_model(model)
    largest = max(chosen.batches)
    options = fitted_options(found.spec, {"max_num_seqs": largest, **given}, chosen.longest_tokens, largest)
    with (
        contenders(found, options, against) as (all_contenders, described),
        progress(chosen.runs_per_contender * len(all_contenders)) as tell,
    ):
        rows = bench_latency(chosen, all_contenders, found.spec.vocab_size, tell)
    if as_json:
        results = [asdict(row) for row in rows]
        print_json({"benchmark": "latency", **described, "settings": asdict(chosen), "results": results})
    else:
        print_heading(described)
        print_table(HEADS, [cells for row in rows for cells in _rows(row)])


def _breakdown_settings(settings: Mapping[str, Any]) -> BreakdownSettings:
    """Raises `UsageError` for what says nothing of a single request."""
    context = click.get_current_context()
    for name in ("batches", "prefill_tokens", "against"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            flag = "--batch" if name == "batches" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} does not go with --breakdown, which asks one request at a time")
    return BreakdownSettings(**{each.name: settings[each.name] for each in fields(BreakdownSettings)})


def _rows(row: LatencyRow) -> list[list[str]]:
    """One per contender, and one for their ratio."""
    shape = [str(row.batch), str(row.prompt_tokens), str(row.output_tokens)]
    rows = [
        [
            *shape,
            name,
            show(figures.ttft_ms),
            show(figures.tpot_ms),
            show(figures.itl_p99_ms),
            show(figures.prefill_tokens_per_s),
            show(figures.decode_tokens_per_s),
        ]
        for name, figures in row.figures.items()
    ]
    if row.ratios:
        speeds = [show(row.ratios[name], 2) for name in ("prefill", "decode")]
        rows.append([*shape, "ratio", "", "", "", *speeds])
    return rows
