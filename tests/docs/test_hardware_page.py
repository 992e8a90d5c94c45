"""docs/hardware.md: its table is the catalogue, its example runs."""

import re
from pathlib import Path

from weft.hardware.catalogue import MACHINES, Machine, find_cluster, find_device

PAGE = (Path(__file__).parents[2] / "docs" / "hardware.md").read_text(encoding="utf-8")
HEADER = (
    "| name | device | bfloat16 | float8 | int8 | float4 | memory | bandwidth | power | between devices "
    "| between nodes | price |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def number(value: float | None, unit: float = 1.0) -> str:
    return "–" if value is None else f"{value / unit:,.10g}"


def row(name: str, machine: Machine) -> str:
    device = machine.device
    cells = [
        f"`{name}`",
        device.name,
        *(number(device.peak_flops.get(name), 1e12) for name in ("bfloat16", "float8", "int8", "float4")),
        number(device.memory_bytes, 2**30),
        number(device.memory_bandwidth, 1e9),
        number(device.power_peak_watts),
        f"{machine.device_link.name}, {number(machine.device_link.bandwidth, 1e9)}",
        f"{machine.node_link.name}, {number(machine.node_link.bandwidth, 1e9)}",
        number(device.price_per_hour),
    ]
    return f"| {' | '.join(cells)} |\n"


def table() -> str:
    return HEADER + "".join(row(name, machine) for name, machine in MACHINES.items())


def test_the_table_is_the_catalogue() -> None:
    assert table() in PAGE


def test_the_example_says_what_it_finds() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert 'find_device("h100").memory_bandwidth  # 3.35e12' in example
    assert 'find_cluster("2x8xh100").num_devices  # 16' in example
    assert find_device("h100").memory_bandwidth == 3.35e12
    assert find_cluster("2x8xh100").num_devices == 16
