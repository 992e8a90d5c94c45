"""The catalogue: names, notations, and figures that physics and their vendors agree on."""

import pytest

from weft.contracts.errors import ConfigurationError
from weft.hardware.catalogue import ALIASES, MACHINES, find_cluster, find_device

# streaming multiprocessors (or compute units), dense float16 flops per clock of each: from the architecture papers
UNITS = {"a100": (108, 2048), "h100": (132, 4096), "rtx-4090": (128, 512), "mi300x": (304, 2048)}


@pytest.mark.parametrize(("name", "units"), UNITS.items())
def test_a_peak_is_units_times_flops_per_clock(name: str, units: tuple[int, int]) -> None:
    device = find_device(name)
    assert device.peak_flops["float16"] == pytest.approx(
        units[0] * units[1] * device.figure("peak_frequency_hz"), rel=2e-3
    )


@pytest.mark.parametrize("name", MACHINES)
def test_narrower_arithmetic_is_never_slower(name: str) -> None:
    peaks = find_device(name).peak_flops
    order = [peaks[each] for each in ("float32", "tf32", "bfloat16", "float8", "float4") if each in peaks]
    assert order == sorted(order)
    assert peaks.get("float16", peaks["bfloat16"]) == peaks["bfloat16"]


@pytest.mark.parametrize("name", MACHINES)
def test_caches_are_smaller_and_faster_than_memory(name: str) -> None:
    device = find_device(name)
    if device.memory_bytes is not None and device.cache_bytes is not None:
        assert device.cache_bytes < device.memory_bytes
    if device.cache_bandwidth is not None:
        assert device.cache_bandwidth > device.figure("memory_bandwidth")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("H100", "H100 SXM"),
        ("rtx_4090", "RTX 4090"),
        ("RTX 4090", "RTX 4090"),
        ("a100-80gb", "A100 SXM 80 GB"),
    ],
)
def test_a_name_is_found_however_it_is_written(given: str, name: str) -> None:
    assert find_device(given).name == name


def test_aliases_name_machines() -> None:
    assert all(target in MACHINES for target in ALIASES.values())
    assert not set(ALIASES) & set(MACHINES)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="hardware 'h10' is unknown; did you mean h100"):
        find_device("h10")
    with pytest.raises(ConfigurationError, match="hardware 'abacus' is unknown; known are a100-40gb, a100"):
        find_device("abacus")


@pytest.mark.parametrize(
    ("notation", "num_nodes", "num_devices"),
    [("h100", 1, 1), ("8xh100", 1, 8), ("2x8xh100", 2, 16), ("4 × h200", 1, 4), ("2xrtx-4090", 1, 2)],
)
def test_a_notation_counts_nodes_and_devices(notation: str, num_nodes: int, num_devices: int) -> None:
    cluster = find_cluster(notation)
    assert (cluster.num_nodes, cluster.num_devices) == (num_nodes, num_devices)


@pytest.mark.parametrize("notation", ["9xh100", "0xh100", "2x3x4xh100", "1000000x8xh100"])
def test_impossible_counts_are_refused(notation: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write .nodes x. devices x name"):
        find_cluster(notation)


def test_a_share_of_the_host_comes_with_each_device() -> None:
    node = find_cluster("2xh100").node
    assert (node.host_memory_bytes, node.ssd_bytes) == (512 * 2**30, 7_680_000_000_000)
    assert find_cluster("l4").node.host_memory_bytes is None
