"""`weft simulate`: a service on hardware that need not be there."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from tqdm import tqdm

from weft.cli.mistakes import NearChoice
from weft.cli.model_options import COUNT, FLAGS, NO_PREFIX_CACHING, Decorator
from weft.costs.host_overhead import HOST_OVERHEAD_S
from weft.measurement.chrome_trace import ChromeTrace
from weft.measurement.simulation import (
    Progress,
    bounded_workload,
    deployment_options,
    simulate_deployment,
)
from weft.measurement.simulation_text import describe_deployment, describe_result
from weft.policies.registry import POLICIES
from weft.simulator.deployment import DeploymentOptions, plan_deployment
from weft.simulator.routing import ROUTERS
from weft.simulator.service import Watch

NOT_SIMULATED = ("backend", "device", "num_threads")
"""Of the options of a server: where and how it really computes."""

DERIVED = {"dtype": "auto", "kv_cache_memory_bytes": "what is left of 90 % of a device"}
REFRESH_S = 0.2
OUTPUT = click.Path(dir_okay=False, path_type=Path)


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of `DeploymentOptions`, and those of `ServingOptions` that mean something without a machine."""
    default = DeploymentOptions()
    decorators: list[Decorator] = [
        click.option(
            "--hardware", default=default.hardware, show_default=True, help="h100, 8xh100, 2x8xh100."
        ),
        click.option("--replicas", type=COUNT, default=1, show_default=True, help="Copies of the model."),
        click.option("--router", type=NearChoice(list(ROUTERS)), default=default.router, show_default=True),
        click.option("--tp", type=COUNT, default=1, show_default=True, help="Devices that share each layer."),
        click.option("--pp", type=COUNT, default=1, show_default=True, help="Stages of layers."),
        click.option("--ep", type=COUNT, default=1, show_default=True, help="Ways that experts are spread."),
        click.option(
            "--host-overhead",
            type=NearChoice(list(HOST_OVERHEAD_S)),
            default=default.host_overhead,
            show_default=True,
            help="How long the host keeps the devices waiting.",
        ),
        *(_policy_option(kind) for kind in ("order", "budget", "preempt", "retain")),
        *(flag.option(DERIVED.get(flag.field, "")) for flag in FLAGS if flag.field not in NOT_SIMULATED),
        NO_PREFIX_CACHING,
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def _policy_option(kind: str) -> Decorator:
    known = ", ".join(POLICIES[kind])
    return click.option(f"--{kind}", default=None, help=f"Policy: {known}, or module:Class.")


@click.command()
@click.option("--model", required=True, help="A name of the catalogue, or the path of a config.json.")
@click.option(
    "--workload", default="azure-conv", show_default=True, help="A name, a trace, or DIRECTORY:MODEL."
)
@click.option("--rate", type=float, help="Requests per second.  [default: the workload's own]")
@click.option("--requests", type=COUNT, help="Stop after so many.  [default: 1000 where it has no end]")
@click.option("--duration", "duration_s", type=float, help="Stop sending after so many simulated seconds.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the workload.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="File to write to."
)
@click.option("--trace", "trace_path", type=OUTPUT, help="File to write to, for ui.perfetto.dev.")
@service_options
def command(
    model: str,
    workload: str,
    rate: float | None,
    requests: int | None,
    duration_s: float | None,
    seed: int,
    json_path: Path | None,
    trace_path: Path | None,
    no_prefix_caching: bool,
    **choices: Any,
) -> None:
    """Predict how a service fares: the engine of `weft serve` in virtual time, on hardware that need not be there.

    Nothing is computed: each step takes as long as the cost model says. The same arguments give the same result.
    """
    _check_folders({"--json": json_path, "--trace": trace_path})
    given = {name: value for name, value in choices.items() if value is not None}
    if no_prefix_caching:
        given["enable_prefix_caching"] = False
    played = bounded_workload(workload, rate, seed, requests, duration_s)
    deployment = plan_deployment(model, deployment_options(DeploymentOptions(), given))
    click.echo("\n".join(describe_deployment(model, deployment)))
    with progress_bar(requests, duration_s) as progress, trace_file(trace_path) as watch:
        result = simulate_deployment(model, deployment, played, progress, watch)
    click.echo("\n".join(describe_result(result)))
    if json_path is not None:
        json_path.write_text(json.dumps(result.as_json(), indent=2, allow_nan=False) + "\n")


def _check_folders(paths: Mapping[str, Path | None]) -> None:
    for flag, path in paths.items():
        if path is not None and not path.absolute().parent.is_dir():
            raise click.UsageError(f"{flag}: there is no directory {path.parent}; make it first")


@contextmanager
def trace_file(path: Path | None) -> Iterator[Watch | None]:
    """What follows the logs of a run into a file; nothing where none is wanted."""
    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as file:
        trace = ChromeTrace(file)
        yield trace.watch
        trace.close()


@contextmanager
def progress_bar(requests: int | None, duration_s: float | None) -> Iterator[Progress]:
    """On stderr, where that is a terminal: how far the run is, its simulated time, and how much faster than time."""
    by_time = requests is None and duration_s is not None
    total, unit = (duration_s, "s") if by_time else (requests, "request")
    begun_s = shown_s = perf_counter()
    with tqdm(total=total, unit=unit, disable=None, leave=False) as bar:

        def tell(simulated_s: float, num_ended: int) -> None:
            nonlocal shown_s
            now_s = perf_counter()
            if now_s - shown_s < REFRESH_S:
                return
            shown_s = now_s
            speed = simulated_s / (now_s - begun_s)
            bar.set_postfix_str(f"{simulated_s:,.0f} s simulated, {speed:,.0f}x", refresh=False)
            bar.update((min(simulated_s, duration_s or 0.0) if by_time else num_ended) - bar.n)

        yield tell
