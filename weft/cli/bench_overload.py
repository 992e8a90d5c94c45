"""`weft bench overload`: what becomes of a server that is asked for ten times what it can give."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from weft.contracts.errors import ConfigurationError
from weft.measurement.machine import describe_machine
from weft.measurement.overload_bench import OverloadBench
from weft.measurement.overload_trials import Asked

COUNT = click.IntRange(min=2)
PASSED_ON = ("emulate", "max_num_seqs", "threads", "depth")
"""Flags of `weft serve`."""


@click.command()
@click.argument("model", default="weft-tiny")
@click.option("--prompt-tokens", type=COUNT, default=64, show_default=True, help="Of each prompt.")
@click.option(
    "--output-tokens",
    type=COUNT,
    default=32,
    show_default=True,
    help="On average; by chance half to one and a half.",
)
@click.option(
    "--vocab-size", type=COUNT, default=256, show_default=True, help="Prompts have token ids below it."
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(min=1),
    default=12.0,
    show_default=True,
    help="Seconds at each load: at least four times what an answer may take.",
)
@click.option("--emulate", metavar="HARDWARE", help="As weft serve takes it: no model computes.")
@click.option("--max-num-seqs", type=COUNT, help="As weft serve takes it.")
@click.option("--threads", type=click.IntRange(min=1), help="As weft serve takes it.")
@click.option("--depth", type=click.IntRange(min=1), help="As weft serve takes it.")
@click.option(
    "--capacity",
    "capacity_per_s",
    type=click.FloatRange(min=0, min_open=True),
    help="Requests per second that count as one capacity.  [default: measured]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of arrivals and lengths.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here too."
)
def command(json_path: Path | None, **settings: Any) -> None:
    """Serve MODEL in a process of its own and overload it from this one.

    The objective is twice the times of requests that are alone, and the server is told it: --slo-ttft-ms,
    --slo-tpot-ms, --order vtc. Loads are multiples of the most that 1, 4 or 16 clients get that ask one
    question after the other, or of --capacity.
    """
    report = asyncio.run(_bench(settings).run())
    click.echo(report.as_text())
    if json_path is not None:
        told = {"machine": describe_machine(), "settings": settings, "results": report.as_json()}
        _write(json_path, {"benchmark": "overload", **told})


def _bench(settings: dict[str, Any]) -> OverloadBench:
    prompt_tokens, output_tokens = settings["prompt_tokens"], settings["output_tokens"]
    lengths = (prompt_tokens, prompt_tokens), (output_tokens // 2, output_tokens + output_tokens // 2)
    passed_on = {f"--{name.replace('_', '-')}": settings[name] for name in PASSED_ON}
    flags = tuple(f"{name}={value}" for name, value in passed_on.items() if value is not None)
    asked = Asked(*lengths, seed=settings["seed"])
    about = asked, settings["vocab_size"], settings["duration_s"], settings["capacity_per_s"]
    return OverloadBench(settings["model"], flags, *about)


def _write(path: Path, results: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}); give another --json"
        ) from error
