"""Figures have sources, and a figure that is not there is refused."""

from dataclasses import replace

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.hardware.cluster import Cluster, Link, Node
from weft.hardware.device import Device

SOURCES = {
    "peak_flops": "a sheet",
    "memory_bandwidth": "a sheet",
    "bandwidth": "a sheet",
    "latency_s": "a sheet",
}
DEVICE = Device("Toy", {"float16": 1e12}, memory_bandwidth=1e10, sources=SOURCES)
NEAR, FAR = Link("near", 1e9, 1e-6, SOURCES), Link("far", 1e8, 1e-5, SOURCES)


def test_a_peak_is_that_of_its_format() -> None:
    assert DEVICE.peak(NumberFormat.FLOAT16) == 1e12
    assert DEVICE.figure("memory_bandwidth") == 1e10


def test_what_no_source_states_is_refused_where_it_is_needed() -> None:
    with pytest.raises(
        ConfigurationError,
        match="Toy: no source states its peak_flops of float32, only of float16; compute in",
    ):
        DEVICE.peak(NumberFormat.FLOAT32)
    with pytest.raises(ConfigurationError, match="Toy: no source states its memory_bytes"):
        DEVICE.figure("memory_bytes")


def test_a_figure_without_a_source_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Toy: memory_bytes has no source"):
        replace(DEVICE, memory_bytes=80)
    with pytest.raises(ConfigurationError, match="Toy: peak_flops of float16 has no source"):
        replace(DEVICE, sources={"memory_bandwidth": "a sheet"})


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_figure_is_refused(value: float) -> None:
    with pytest.raises(
        ConfigurationError, match=r"memory_bandwidth is .*; it must be a finite number above 0"
    ):
        replace(DEVICE, memory_bandwidth=value)


def test_an_unknown_arithmetic_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="peak_flops has 'fp17'; choose from float32, tf32"):
        replace(DEVICE, peak_flops={"fp17": 1e12})


def test_a_cluster_knows_its_links() -> None:
    cluster = Cluster(Node(DEVICE, 4, NEAR, NEAR), 3, FAR)
    assert cluster.num_devices == 12
    assert [cluster.link_across(number).name for number in (1, 4, 5, 12)] == ["near", "near", "far", "far"]
    with pytest.raises(ConfigurationError, match="Toy: no source states its price_per_hour"):
        cluster.price_per_hour()
    priced = replace(DEVICE, price_per_hour=2.5, sources={**SOURCES, "price_per_hour": "a list"})
    assert Cluster(Node(priced, 4, NEAR, NEAR), 3, FAR).price_per_hour() == 30.0


def test_a_link_takes_its_latency_and_a_time_per_byte() -> None:
    assert NEAR.seconds(0) == 1e-6
    assert NEAR.seconds(2_000_000_000) == pytest.approx(2.0 + 1e-6)


def test_an_impossible_cluster_is_refused() -> None:
    node = Node(DEVICE, 4, NEAR, NEAR)
    with pytest.raises(ConfigurationError, match="2 nodes need a node_link"):
        Cluster(node, 2)
    with pytest.raises(ConfigurationError, match="num_nodes is 0"):
        Cluster(node, 0)
    with pytest.raises(ConfigurationError, match="num_devices is 0"):
        replace(node, num_devices=0)
    with pytest.raises(ConfigurationError, match="node of Toy: host_memory_bytes has no source"):
        replace(node, host_memory_bytes=1)
