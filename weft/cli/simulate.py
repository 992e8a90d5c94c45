"""`weft simulate`: a service on hardware that need not be there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

import click
from tqdm import tqdm

from weft.cli.cluster_options import replica_options
from weft.cli.config_option import config_option
from weft.cli.mistakes import NearChoice
from weft.cli.model_options import COUNT, FLAGS, NO_PREFIX_CACHING, Decorator
from weft.cli.simulate_files import Files, file_options, trace_file
from weft.cli.simulate_sweep import job_count, points_bar, read_sweeps
from weft.cli.simulated_names import HardwareName, simulated_policy_options
from weft.contracts.version import __version__
from weft.costs.servers import SERVERS
from weft.measurement.simulation import (
    Progress,
    bounded_workload,
    deployment_options,
    simulate_deployment,
)
from weft.measurement.simulation_html import simulation_page
from weft.measurement.simulation_text import describe_deployment, describe_result
from weft.measurement.sweep import sweep
from weft.measurement.sweep_html import sweep_page
from weft.measurement.sweep_plan import OF_THE_LOAD, Values
from weft.measurement.sweep_text import describe_sweep
from weft.model_specs.quantization import QUANTIZATIONS, STATE_FORMATS
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import COLD_START_S, DeploymentOptions
from weft.workloads.sessions import Workload

NOT_SIMULATED = ("backend", "device", "quantization", "kv_cache_dtype", "num_threads")
"""Of the options of a server: where and how it really computes. Simulated devices have other formats."""

DERIVED = {"dtype": "auto", "kv_cache_memory_bytes": "what is left of 90 % of a device"}
REFRESH_S = 0.2


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of `DeploymentOptions`, and those of `ServingOptions` that mean something without a machine."""
    default = DeploymentOptions()
    decorators: list[Decorator] = [
        click.option(
            "--hardware",
            type=HardwareName(),
            default=default.hardware,
            show_default=True,
            help="h100, 8xh100, 2x8xh100.",
        ),
        *replica_options,
        *_failure_options(),
        *_plan_options(),
        click.option("--quantization", type=NearChoice(list(QUANTIZATIONS)), help="Of the linear layers."),
        click.option(
            "--kv-cache-dtype",
            type=NearChoice(["auto", *STATE_FORMATS]),
            default=default.kv_cache_dtype,
            show_default=True,
            help="Of keys and values.",
        ),
        *_cost_options(default),
        click.option("--speculative-model", help="Draft model on the same devices: a name, or a path."),
        click.option("--num-speculative-tokens", type=COUNT, help="That it guesses for each step."),
        click.option("--acceptance-rate", type=float, help="Chance that a guess is right, from 0 to 1."),
        simulated_policy_options,
        *(flag.option(DERIVED.get(flag.field, "")) for flag in FLAGS if flag.field not in NOT_SIMULATED),
        NO_PREFIX_CACHING,
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def _plan_options() -> list[Decorator]:
    return [
        click.option("--tp", type=COUNT, default=1, show_default=True, help="Devices that share each layer."),
        click.option("--pp", type=COUNT, default=1, show_default=True, help="Stages of layers."),
        click.option("--ep", type=COUNT, default=1, show_default=True, help="Ways that experts are spread."),
        click.option(
            "--dp", type=COUNT, default=1, show_default=True, help="Replicas that share one set of experts."
        ),
        click.option(
            "--cp", type=COUNT, default=1, show_default=True, help="Devices that share each context."
        ),
    ]


def _failure_options() -> list[Decorator]:
    return [
        click.option(
            "--mtbf",
            "mtbf_s",
            type=click.FloatRange(min=0, min_open=True),
            help="Seconds after which the machine of a replica fails, on the average.  [default: never]",
        ),
        click.option(
            "--cold-start",
            "cold_start_s",
            type=click.FloatRange(min=0),
            help=f"Seconds until a replica that is started anew is ready; with --mtbf.  [default: {COLD_START_S:g}]",
        ),
    ]


def _cost_options(default: DeploymentOptions) -> list[Decorator]:
    return [
        click.option(
            "--server",
            type=NearChoice(list(SERVERS)),
            default=default.server,
            show_default=True,
            help="Whose constants are added to the time of kernels.",
        ),
        click.option(
            "--profiles",
            default=default.profiles,
            show_default=True,
            help="Directory of measured kernels; auto: what ships for the device; none: the plain roofline.",
        ),
    ]


@click.command()
@config_option("simulate")
@click.option("--model", required=True, help="A name of the catalogue, or the path of a config.json.")
@click.option(
    "--workload", default="azure-conv", show_default=True, help="A name, a trace, or DIRECTORY:MODEL."
)
@click.option("--rate", type=float, help="Requests per second.  [default: the workload's own]")
@click.option("--requests", type=COUNT, help="Stop after so many.  [default: 1000 where it has no end]")
@click.option("--duration", "duration_s", type=float, help="Stop sending after so many simulated seconds.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the workload.")
@click.option("--n", "n", type=COUNT, default=1, show_default=True, help="Samples of each prompt.")
@click.option(
    "--beam-width",
    type=COUNT,
    default=1,
    show_default=True,
    help="Above 1: each request is a beam search of that width.",
)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    help="rate=1:40, replicas=1,2,4: a run for each. Of a rate's range: the knee.",
)
@click.option(
    "-j",
    "--jobs",
    type=job_count,
    metavar="NUMBER|auto",
    help="Processes for the runs of a sweep.  [default: 1]",
)
@file_options
@service_options
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Predict how a service fares: the engine of `weft serve` in virtual time, on hardware that need not be there.

    Nothing is computed: each step takes as long as the cost model says. The same arguments give the same result.
    """
    asked = asked_for(context, given)
    if asked.over:
        _sweep(asked.chosen, asked.over, asked.jobs, asked.files)
    else:
        _simulate(asked.files, asked.chosen)


class Asked(NamedTuple):
    """What a command line says: where figures go, what is swept `over`, in how many processes, and all else that is
    `chosen`, for `simulate`."""

    files: Files
    over: dict[str, Values]
    jobs: int
    chosen: dict[str, Any]


def asked_for(context: click.Context, given: dict[str, Any]) -> Asked:
    """Of the arguments of the command. Raises `click.UsageError` and `ConfigurationError` for what cannot be."""
    files = Files.taken(given)
    over, jobs = read_sweeps(given.pop("sweeps"), context), given.pop("jobs")
    if over and files.trace is not None:
        raise click.UsageError("--trace is of one run; leave it or --sweep out")
    if not over and jobs is not None:
        raise click.UsageError("-j is for the runs of a sweep; add --sweep, or leave it out")
    if given.pop("no_prefix_caching"):
        given["enable_prefix_caching"] = False
    chosen = {name: value for name, value in given.items() if value is not None and name not in over}
    return Asked(files, over, jobs or 1, chosen)


def asked_workload(chosen: Mapping[str, Any]) -> Workload:
    """What is played. Raises `ConfigurationError` for what cannot be."""
    bounds = chosen.get("requests"), chosen.get("duration_s")
    return bounded_workload(chosen["workload"], chosen.get("rate"), chosen["seed"], *bounds, chosen["n"])


def asked_deployment(chosen: Mapping[str, Any]) -> Deployment:
    """What it is played to. Raises `ConfigurationError` for what cannot be."""
    choices = {name: value for name, value in chosen.items() if name not in OF_THE_LOAD}
    return plan_deployment(chosen["model"], deployment_options(DeploymentOptions(), choices))


def _simulate(files: Files, chosen: dict[str, Any]) -> None:
    played, deployment, model = asked_workload(chosen), asked_deployment(chosen), chosen["model"]
    described = describe_deployment(model, deployment)
    click.echo("\n".join(described))
    progressing = progress_bar(chosen.get("requests"), chosen.get("duration_s"))
    with progressing as progress, trace_file(files.trace) as watch:
        result = simulate_deployment(
            model, deployment, played, progress, watch, chosen["seed"], chosen["beam_width"]
        )
    click.echo("\n".join(describe_result(result)))
    given = {name: value for name, value in chosen.items() if name != "model"}
    configuration = given | dict(line.split(maxsplit=1) for line in described) | {"weft": __version__}
    files.write(result.as_json(), lambda: simulation_page(result, configuration), [({}, result.requests)])


def _sweep(chosen: dict[str, Any], over: dict[str, Values], jobs: int, files: Files) -> None:
    with points_bar() as progress:
        found = sweep(over=over, jobs=jobs, progress=progress, **chosen)
    click.echo("\n".join(describe_sweep(found)))
    runs = [(point.at, point.result.requests) for point in found.points]
    files.write(found.as_json(), lambda: sweep_page(found, chosen | {"weft": __version__}), runs)


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
