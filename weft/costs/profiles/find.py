"""Profiles by device: those that ship, and those of a folder of tables."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from weft.costs.kernel_ratios import KernelRatios
from weft.costs.profiles.interpolation import Ladder, Surface
from weft.costs.profiles.profile import Profile
from weft.costs.profiles.tables import Tables, TableSurfaces
from weft.hardware.cluster import Cluster

SHIPPED = {
    "A100 SXM 80 GB": "a100",
    "H100 SXM": "h100",
    "H200 SXM": "h200",
    "B200 SXM": "b200",
    "L40S": "l40s",
    "RTX 4090": "rtx-4090",
    "RTX PRO 6000 Blackwell Server": "rtx-pro-6000",
}
"""Files by the name of the device."""


def shipped_ratios(device_name: str, cluster: Cluster) -> KernelRatios | None:
    """The compact fit of a device of the catalogue by its `name`; None where none ships."""
    if device_name not in SHIPPED:
        return None
    data = description(SHIPPED[device_name])
    return Profile(data["profile"], data["relative_error"], _surfaces(device_name), cluster, compact=True)


def table_ratios(directory: Path, cluster: Cluster) -> KernelRatios:
    """Through the tables of a folder, see docs/profiles.md. Raises `ConfigurationError` where the folder has none of
    the cluster's device, and later where a table that is asked for cannot be read."""
    tables = Tables(directory, cluster)
    name = f"measured kernels of {cluster.device.name} in {directory}, interpolated"
    shipped = SHIPPED.get(cluster.device.name)
    error = None if shipped is None else description(shipped)["table_relative_error"]
    return Profile(name, error, TableSurfaces(tables), cluster, compact=False)


@cache
def description(name: str) -> dict[str, Any]:
    """A compact fit as it ships: what it was fitted to, how well it agrees, and its surfaces."""
    text = (files("weft.costs.profiles") / "shipped" / f"{name}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def relative_to(cluster: Cluster) -> dict[str, float]:
    """The figures of a device that its ratios were taken with; with others they would mean something else."""
    device, link = cluster.device, cluster.node.device_link
    peaks = {f"peak_flops of {name}": peak for name, peak in device.peak_flops.items()}
    link_figures = {"link_bandwidth": link.bandwidth, "link_latency_s": link.latency_s}
    return {"memory_bandwidth": device.figure("memory_bandwidth"), **peaks, **link_figures}


@cache
def _surfaces(device_name: str) -> dict[str, Surface]:
    return surfaces_of(description(SHIPPED[device_name]))


def surfaces_of(data: dict[str, Any]) -> dict[str, Surface]:
    """The surfaces of a description."""
    return {
        name: Surface(each["start_s"], Ladder.grid(list(each["knots"].values()), each["ratios"]))
        for name, each in data["surfaces"].items()
    }
