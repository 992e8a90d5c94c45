"""What the costs of a deployment rest on: a device's roofline, profiles of its kernels, constants of a server."""

from pathlib import Path

from weft.contracts.options import AUTO
from weft.costs.kernel_ratios import KernelRatios
from weft.costs.profiles.find import shipped_ratios, table_ratios
from weft.costs.roofline import Roofline
from weft.costs.servers import find_server
from weft.hardware.cluster import Cluster
from weft.model_specs.plan import Plan

PLAIN_ROOFLINE = "none"
"""In place of profiles."""


def chosen_roofline(cluster: Cluster, plan: Plan, server: str, profiles: str) -> Roofline:
    """`server`, `profiles`: as `DeploymentOptions` has them. Raises `ConfigurationError` for a server that is unknown
    and for a directory that has no profiles of the device."""
    return Roofline(cluster, plan, find_server(server), _ratios(profiles, cluster))


def _ratios(profiles: str, cluster: Cluster) -> KernelRatios | None:
    if profiles == PLAIN_ROOFLINE:
        return None
    if profiles == AUTO:
        return shipped_ratios(cluster.device.name, cluster)
    return table_ratios(Path(profiles), cluster)
