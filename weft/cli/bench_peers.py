"""`weft bench peers`: other engines on this machine, on the same weights, in turns with Weft."""

import json
from pathlib import Path
from typing import Any

import click

from weft.cli.asking import notice
from weft.cli.bench_output import COUNT, print_json
from weft.cli.peer_options import as_json_too, kept_in, with_threads
from weft.contracts.errors import ConfigurationError
from weft.measurement.machine import describe_machine
from weft.measurement.peers.drivers.with_weft import OPTIONS_VARIABLE
from weft.measurement.peers.model import random_model
from weft.measurement.peers.peer import PEERS, entrants
from weft.measurement.peers.report import as_json, as_markdown
from weft.measurement.peers.turns import Shape, TurnSettings, machine_probe, measure_peers

BATCHES = (1, 4, 8, 16, 32)
MORE_TOKENS = 2
"""A sequence begins and ends with one that is in no timed step."""
NAMES = ", ".join(f"{peer.name}[:{'|'.join(peer.formats)}]" for peer in PEERS.values())


@click.command()
@kept_in
@click.option("--peer", "names", multiple=True, metavar="NAME[:FORMAT]", help=f"May be repeated: {NAMES}.")
@click.option("--batch", "batches", multiple=True, type=COUNT, help="Sequences.  [default: 1, 4, 8, 16, 32]")
@click.option("--prompt-tokens", type=COUNT, default=128, show_default=True, help="Of each sequence.")
@click.option("--prefill-tokens", type=int, default=512, show_default=True, help="Of one prompt; 0: none.")
@click.option("--turns", type=COUNT, default=5, show_default=True, help="Of each entrant in each shape.")
@click.option("--steps", type=COUNT, default=8, show_default=True, help="Of each turn.")
@with_threads
@click.option("--weft-options", metavar="JSON", help='Serving options for Weft: {"block_tokens": 32}.')
@as_json_too
def command(
    root: Path,
    names: tuple[str, ...],
    batches: tuple[int, ...],
    prompt_tokens: int,
    prefill_tokens: int,
    turns: int,
    steps: int,
    threads: int | None,
    weft_options: str | None,
    as_object: bool,
) -> None:
    """Time a prompt and decoding steps of other engines and of Weft, on a Llama of 349 M random parameters.

    Each gets an environment of its own, which pip fills, and files in its own format, converted from the same
    weights; both take minutes the first time. All are loaded at once and take turns. A peer that cannot be installed,
    converted or run is listed with its reason.
    """
    from weft.executor.limits import available_processors

    wanted, root = entrants(names), root.absolute()
    longest_tokens = max(prefill_tokens, prompt_tokens + steps) + MORE_TOKENS
    options = {"max_model_len": longest_tokens, **_checked(weft_options or "{}")}
    environment = {OPTIONS_VARIABLE: json.dumps(options)}
    threads = threads or available_processors()
    prefill = [Shape(1, prefill_tokens, is_prefill=True)] if prefill_tokens > 0 else []
    shapes = prefill + [Shape(rows, prompt_tokens, is_prefill=False) for rows in batches or BATCHES]
    notice("weft: making the model, or finding it")
    model = random_model(root)
    outcome = measure_peers(
        root,
        model,
        wanted,
        shapes,
        TurnSettings(turns, steps),
        threads,
        machine_probe(threads),
        lambda what: notice(f"weft: {what}"),
        environment,
    )
    if as_object:
        print_json({"machine": describe_machine(), "threads": threads, **as_json(outcome)})
    else:
        click.echo(as_markdown(outcome))


def _checked(text: str) -> dict[str, Any]:
    from weft.contracts.options import serving_options

    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--weft-options is no JSON ({error}); give an object") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"--weft-options is {text}; give a JSON object")
    serving_options(values)
    return values
