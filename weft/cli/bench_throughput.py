"""`weft bench throughput`: how much a model serves."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from weft.cli.bench_output import (
    COUNT,
    UNKNOWN,
    bench_options,
    contenders,
    print_heading,
    print_json,
    print_table,
    progress,
    show,
)
from weft.cli.model_options import model_options
from weft.measurement.bench_model import find_model, fitted_options
from weft.measurement.throughput_bench import (
    ThroughputFigures,
    ThroughputReport,
    ThroughputSettings,
    bench_throughput,
)


@click.command()
@click.option("--num-prompts", type=COUNT, default=64, show_default=True, help="Requests, all sent at once.")
@click.option("--prompt-tokens", type=COUNT, default=128, show_default=True, help="Mean length of prompts.")
@click.option("--output-tokens", type=COUNT, default=64, show_default=True, help="Mean length of outputs.")
@click.option(
    "--spread",
    type=float,
    default=0.5,
    show_default=True,
    help="Lengths are drawn evenly within this share of the mean, above and below; 0: all are equal.",
)
@click.option(
    "--repeats",
    type=COUNT,
    default=1,
    show_default=True,
    help="Runs that count, after a short one that does not.",
)
@bench_options
@model_options(max_model_len="what the longest request needs")
def command(
    model: Path | None, as_json: bool, against: str | None, given: dict[str, Any], **settings: Any
) -> None:
    """Measure requests and tokens per second of a load that is sent at once.

    MODEL is a Hugging Face directory or a .gguf file; without one, a random model of 349 M parameters is made.
    Prompts are random tokens and never come twice; hits of the prefix cache are reported. Tokens are chosen
    greedily, ends of sequence ignored. Time counts from the first submission to the last end.
    """
    chosen, found = ThroughputSettings(**settings), find_model(model)
    options = fitted_options(found.spec, given, chosen.longest_tokens, 1)
    with (
        contenders(found, options, against) as (all_contenders, described),
        progress((1 + chosen.repeats) * len(all_contenders)) as tell,
    ):
        report = bench_throughput(chosen, all_contenders, found.spec.vocab_size, tell)
    if as_json:
        results = asdict(report)
        print_json({"benchmark": "throughput", **described, "settings": asdict(chosen), "results": results})
    else:
        print_heading(described)
        _print_report(report)


def _print_report(report: ThroughputReport) -> None:
    click.echo(
        f"{report.num_prompts} requests at once: prompts of {report.mean_prompt_tokens:.1f} tokens on average, "
        f"outputs of {report.mean_output_tokens:.1f}"
    )
    columns = [_column(name, figures) for name, figures in report.figures.items()]
    if report.ratios:
        columns.append(["ratio", "", "", show(report.ratios["output"], 2), "", "", "", ""])
    names = ["", "wall s", "requests/s", "output tokens/s", "total tokens/s"]
    names += ["mean running", "preemptions", "prefix hit tokens"]
    heads, *rows = zip(names, *columns, strict=True)
    print_table(heads, rows)


def _column(name: str, figures: ThroughputFigures) -> list[str]:
    return [
        name,
        show(figures.wall_s, 2),
        show(figures.requests_per_s, 2),
        show(figures.output_tokens_per_s),
        show(figures.total_tokens_per_s),
        show(figures.mean_running),
        _count(figures.num_preemptions),
        _count(figures.prefix_hit_tokens),
    ]


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"
