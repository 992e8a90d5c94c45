"""Flags that say how many replicas there are, and who sees to them."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from weft.cli.mistakes import NearChoice
from weft.cli.model_options import COUNT, Decorator
from weft.cli.policy_options import router_option
from weft.contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from weft.llm.cluster_llm import MakeBackend

ACTORS = ("process", "ray", "inprocess")
HEARTBEATS = 4
"""That may be missing before a replica is lost."""

replica_options: tuple[Decorator, ...] = (
    click.option("--replicas", type=COUNT, default=1, show_default=True, help="Copies of the model."),
    router_option,
    click.option(
        "--lost-after",
        "lost_after_s",
        type=click.FloatRange(min=0.5, max=3600),
        default=1.0,
        show_default=True,
        help="Seconds of silence after which a replica is replaced, and its requests go on elsewhere.",
    ),
)
"""Live and simulated alike."""

PLACES: tuple[Decorator, ...] = (
    click.option(
        "--actors",
        type=NearChoice(ACTORS),
        help="Where replicas run: each in a process, as an actor of Ray, or all in this process.  [default: process; "
        "inprocess for 1 replica]",
    ),
    click.option("--ray-address", metavar="HOST:PORT", help="Of a Ray that runs; else one is started here."),
)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags of a service of several replicas."""
    for flag in reversed((*replica_options, *PLACES)):
        command = flag(command)
    return command


def check_cluster(arguments: dict[str, Any]) -> None:
    """Raises `ConfigurationError` for flags that mean nothing together."""
    address, actors = arguments["ray_address"], _actors(arguments)
    if address is not None and actors != "ray":
        raise ConfigurationError(
            f"ray_address is {address!r}, and replicas run elsewhere ({actors}); add --actors ray, or leave it out"
        )


def _actors(arguments: dict[str, Any]) -> str:
    chosen: str | None = arguments["actors"]
    return chosen or ("inprocess" if arguments["replicas"] == 1 else "process")


def cluster_settings(arguments: dict[str, Any]) -> dict[str, Any] | None:
    """What `ClusterLLM` takes beside what `AsyncLLM` does; None where one replica in this process will do. Raises
    `ConfigurationError` where replicas cannot run there."""
    if arguments["replicas"] == 1 and _actors(arguments) == "inprocess":
        return None
    from weft.cluster.timing import Timing

    lost_after_s = arguments["lost_after_s"]
    heartbeat_s = min(Timing().heartbeat_s, lost_after_s / HEARTBEATS)
    return {
        "make_backend": _chosen_backend(_actors(arguments), arguments["ray_address"]),
        "replicas": arguments["replicas"],
        "router": arguments["router"],
        "timing": Timing(heartbeat_s, lost_after_s, stalled_after_s=arguments["stalled_after_s"]),
    }


def _chosen_backend(actors: str, ray_address: str | None) -> "MakeBackend":
    """Where replicas are to run."""
    if actors == "inprocess":
        from weft.llm.model_replica import LocalReplicas

        return LocalReplicas
    if actors == "ray":
        from weft.cluster.ray_connection import RayConnection
        from weft.llm.ray_replicas import RayModelReplicas

        return partial(RayModelReplicas, RayConnection(ray_address))
    from weft.llm.process_replicas import process_replicas

    return process_replicas
