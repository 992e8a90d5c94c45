"""The hardware of a deployment, by its name."""

import re

from weft.contracts.errors import ConfigurationError
from weft.hardware.catalogue import MOST_DEVICES_PER_NODE, find_cluster
from weft.hardware.cluster import Cluster
from weft.model_specs.plan import Plan
from weft.simulator.local_deployment import is_local


def check_hardware(hardware: str) -> None:
    """Raises `ConfigurationError` for a name that is none of the catalogue, and is not this machine."""
    if not is_local(hardware):
        find_cluster(hardware)


def chosen_cluster(hardware: str, plan: Plan, replicas: int) -> Cluster:
    """Without counts as many devices as a replica needs; with counts all there are, which must be enough."""
    if re.match(r"\s*\d+\s*[x×]", hardware) is None:
        nodes = -(-plan.num_devices // MOST_DEVICES_PER_NODE)
        per_node = min(plan.num_devices, MOST_DEVICES_PER_NODE)
        return find_cluster(f"{nodes}x{per_node}x{hardware}")
    cluster, needed = find_cluster(hardware), replicas // plan.dp * plan.num_devices
    if needed > cluster.num_devices:
        raise ConfigurationError(
            f"{replicas} replicas of {plan.num_devices // plan.dp} devices (tp {plan.tp} x cp {plan.cp} x "
            f"pp {plan.pp}) need {needed}, and {hardware} has {cluster.num_devices}; use fewer, or more hardware"
        )
    return cluster
