"""What the verbs that measure a model have in common: arguments, contenders, and how figures are shown."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from weft.contracts.options import ServingOptions
from weft.measurement.bench_model import BenchModel, describe_serving, load_model
from weft.measurement.contenders import Contender
from weft.measurement.engine_contender import EngineContender
from weft.measurement.machine import describe_machine
from weft.measurement.token_times import Spread
from weft.measurement.transformers_contender import TransformersContender

MODEL = click.Path(exists=True, path_type=Path)
COUNT = click.IntRange(min=1)

UNKNOWN = "–"


def bench_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and the options that every bench of a model takes."""
    for decorate in (
        click.argument("model", type=MODEL, required=False),
        click.option("--seed", type=int, default=0, show_default=True, help="Of prompts and lengths."),
        click.option("--against", type=click.Choice(["transformers"]), help="Measure this too, in turns."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table."),
    ):
        command = decorate(command)
    return command


@contextmanager
def contenders(
    model: BenchModel, options: ServingOptions, against: str | None
) -> Iterator[tuple[list[Contender], dict[str, Any]]]:
    """Weft, and who else is to be measured, with what describes the run; closed afterwards."""
    serving = load_model(model, options)
    found: list[Contender] = [EngineContender(serving)]
    try:
        if against:
            found.append(TransformersContender(model, serving, options.max_num_seqs))
        yield found, {"machine": describe_machine(), "serving": describe_serving(model, serving)}
    finally:
        for contender in found:
            contender.close()


@contextmanager
def progress(num_runs: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr, where that is a terminal. What it yields is told of each run before it begins."""
    with tqdm(total=num_runs, unit="run", disable=None, leave=False) as bar:
        begun = 0

        def tell(what: str) -> None:
            nonlocal begun
            bar.update(min(begun, 1))  # the run before this one is over
            begun += 1
            bar.set_postfix_str(what)

        yield tell


def print_json(report: Mapping[str, Any]) -> None:
    """One object; nothing that JSON does not know."""
    click.echo(json.dumps(report, indent=2, allow_nan=False))


def print_heading(described: Mapping[str, Any]) -> None:
    """What was run, on what."""
    machine, serving = described["machine"], described["serving"]
    model, threads = serving["model"], serving["threads"]
    commit = machine["commit"]
    click.echo(f"{model['name']}, {model['parameters']:,} parameters")
    click.echo(
        f"{serving['backend']} on {serving['device']}, {serving['dtype']}, threads {threads}; "
        f"weft {machine['version']}{f' ({commit})' if commit else ''}, torch {machine['torch']}"
    )
    click.echo(
        f"{machine['processor']}, {machine['cores_usable']} cores usable, load {machine['load_average']:.1f}"
    )


def show(figure: Spread | None, digits: int = 1) -> str:
    """A median with its range, or that there is none."""
    if figure is None:
        return UNKNOWN
    median, low, high = (f"{value:,.{digits}f}" for value in (figure.median, figure.low, figure.high))
    return median if low == high else f"{median} ({low}–{high})"


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest entry, to the right; a rule below the heads."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    for row in (heads, rule, *rows):
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
