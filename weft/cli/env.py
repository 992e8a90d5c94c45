"""`weft env`: on what Weft runs, to be pasted into a report."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import click

from weft.cli.machine_facts import (
    VARIABLES,
    find_torch,
    has_nvidia_device,
    hub_cache,
    instruction_sets,
    package_versions,
)
from weft.executor.limits import (
    available_memory_bytes,
    memory_limit_bytes,
    processor_quota,
    total_memory_bytes,
)
from weft.measurement.machine import describe_machine

BYTES = "_bytes"
GIBIBYTE = 1 << 30
UNKNOWN = "–"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def command(as_json: bool) -> None:
    """Tell versions, processors and their instruction sets, memory, GPUs, and limits of control groups."""
    facts = describe_environment()
    if as_json:
        click.echo(json.dumps(facts, indent=2, allow_nan=False))
        return
    rows = list(_rows(facts))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name.ljust(width)}  {value}")


def describe_environment() -> dict[str, Any]:
    """Plain values; what cannot be known is None."""
    torch = find_torch()
    return {
        **describe_machine(),
        "instruction_sets": instruction_sets(),
        "cores_present": os.cpu_count(),
        "cores_by_group": processor_quota(),
        "memory_total_bytes": total_memory_bytes(),
        "memory_available_bytes": available_memory_bytes(),
        "memory_by_group_bytes": memory_limit_bytes(),
        "torch_runtime": {"error": torch} if isinstance(torch, str) else asdict(torch),
        "nvidia_device": has_nvidia_device(),
        "packages": package_versions(),
        "hub_cache": str(hub_cache()),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _rows(facts: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Names in words, with what they lie below; values with their units."""
    for key, value in facts.items():
        name = f"{path}{key.removesuffix(BYTES)}".replace("_", " ") if key.islower() else f"{path}{key}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{name} ")
        elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
            for number, each in enumerate(value):
                yield from _rows(each, f"{name} {number} ")
        else:
            yield name, _in_gibibytes(value) if key.endswith(BYTES) else _shown(value)


def _in_gibibytes(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value / GIBIBYTE:.1f} GiB"


def _shown(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
