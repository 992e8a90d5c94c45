"""`weft bench peers-serve`: Weft and other engines under the same load of requests."""

import asyncio
from pathlib import Path

import click

from weft.cli.asking import notice
from weft.cli.bench_output import COUNT, print_json
from weft.cli.peer_options import as_json_too, kept_in, with_threads
from weft.contracts.errors import ConfigurationError
from weft.measurement.machine import describe_machine
from weft.measurement.peers.model import random_model
from weft.measurement.peers.serving_entrants import ENTRANTS, Opening, serving_entrants
from weft.measurement.peers.serving_load import Objective
from weft.measurement.peers.serving_report import serving_as_json, serving_as_markdown
from weft.measurement.peers.serving_turns import ServingPlan, compare_serving

POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command()
@kept_in
@click.option(
    "--engine", "names", multiple=True, metavar="NAME", help=f"May be repeated: {', '.join(ENTRANTS)}."
)
@click.option(
    "--rate", "rates", multiple=True, type=POSITIVE, required=True, help="Requests/s. May be repeated."
)
@click.option("--requests", type=COUNT, default=60, show_default=True, help="At each rate.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of arrivals, lengths and prompts.")
@click.option(
    "--ttft-ms", type=POSITIVE, help="Objective; together with --tpot-ms.  [default: from the peers]"
)
@click.option("--tpot-ms", type=POSITIVE, help="Objective; together with --ttft-ms.")
@with_threads
@as_json_too
def command(
    root: Path,
    names: tuple[str, ...],
    rates: tuple[float, ...],
    requests: int,
    seed: int,
    ttft_ms: float | None,
    tpot_ms: float | None,
    threads: int | None,
    as_object: bool,
) -> None:
    """Give Weft, llama.cpp's server and OpenVINO GenAI the same requests, and count those answered in time.

    The workload is azure-conv with lengths divided by 8, the model a Llama of 349 M random parameters. A request is in
    time when it meets both objectives: by default twice what the best other engine takes for requests that are
    alone. llama.cpp's server is compiled the first time, for a quarter of an hour or more.
    """
    from weft.executor.limits import available_processors

    wanted, root = serving_entrants(names), root.absolute()
    plan = ServingPlan(rates, requests, seed, _objective(ttft_ms, tpot_ms))
    threads = threads or available_processors()
    notice("weft: making the model, or finding it")
    given = Opening(root, random_model(root), threads)
    outcome = asyncio.run(compare_serving(given, wanted, plan, lambda what: notice(f"weft: {what}")))
    if as_object:
        shown = {"rates": rates, "requests": requests, "seed": seed, "threads": threads}
        print_json({"machine": describe_machine(), "settings": shown, **serving_as_json(outcome)})
    else:
        click.echo(serving_as_markdown(outcome))


def _objective(ttft_ms: float | None, tpot_ms: float | None) -> Objective | None:
    if ttft_ms is None and tpot_ms is None:
        return None
    if ttft_ms is None or tpot_ms is None:
        raise ConfigurationError("of --ttft-ms and --tpot-ms only one is given; give both, or neither")
    return Objective(ttft_ms / 1e3, tpot_ms / 1e3)
