"""Communication by hand: which link, how long, how many bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.toy_hardware import FAR, NEAR, cluster
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.costs.topology import COLLECTIVE_START_S, Topology, all_reduce_s
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Formats, Operation, OperationKind
from weft.model_specs.plan import Plan

FORMATS = Formats(NumberFormat.FLOAT16, NumberFormat.FLOAT16, NumberFormat.FLOAT16)


def operation(kind: OperationKind, axis: Axis, ranks: int, numbers: int, stage: int = 0) -> Operation:
    return OperationBuilder(FORMATS, stage).communication(kind, "c", None, (axis, ranks), numbers)


def test_an_all_reduce_takes_the_better_algorithm() -> None:
    # ring: 2 * 7 hops and 7/8 of the buffer twice; tree: 2 * 3 hops and all of it twice
    assert all_reduce_s(NEAR, 8, 8000) == pytest.approx(14 * 0.5 + 2 * 7000 / 100)
    assert all_reduce_s(NEAR, 8, 8) == pytest.approx(6 * 0.5 + 2 * 8 / 100)


def test_an_all_gather_passes_a_ring() -> None:
    gathered = operation(OperationKind.ALL_GATHER, Axis.TENSOR, 4, 200)
    found = Topology(cluster(2, 2), Plan(tp=4)).seconds(gathered)
    assert found == pytest.approx(COLLECTIVE_START_S + 3 * 2.0 + 300 / 10)


def test_tensor_parallelism_within_a_node_uses_its_links() -> None:
    summed = operation(OperationKind.ALL_REDUCE, Axis.TENSOR, 4, 4000)
    topology = Topology(cluster(4), Plan(tp=4))
    assert topology.seconds(summed) == pytest.approx(COLLECTIVE_START_S + 6 * 0.5 + 2 * 6000 / 100)
    assert topology.link_bytes(summed) == {"near": 12000.0}
    gathered = operation(OperationKind.ALL_GATHER, Axis.TENSOR, 4, 200)
    assert topology.link_bytes(gathered) == {"near": 300.0}


def test_tensor_parallelism_across_nodes_is_bounded_by_the_slow_link() -> None:
    summed = operation(OperationKind.ALL_REDUCE, Axis.TENSOR, 8, 4000)
    assert Topology(cluster(4, 2), Plan(tp=8)).link_bytes(summed) == {"far": 14000.0}


def test_a_handover_crosses_nodes_only_where_the_stages_do() -> None:
    topology = Topology(cluster(4, 2), Plan(tp=2, pp=4))
    sent = [operation(OperationKind.SEND, Axis.PIPELINE, 2, 50, stage) for stage in range(3)]
    assert [topology.link_bytes(each) for each in sent] == [{"near": 100.0}, {"far": 100.0}, {"near": 100.0}]
    assert topology.seconds(sent[0]) == pytest.approx(COLLECTIVE_START_S + 0.5 + 1.0)
    assert topology.seconds(sent[1]) == pytest.approx(COLLECTIVE_START_S + 2.0 + 10.0)


def test_an_all_to_all_sends_within_and_between_nodes_at_once() -> None:
    exchanged = operation(OperationKind.ALL_TO_ALL, Axis.EXPERT, 8, 400)
    topology = Topology(cluster(4, 2), Plan(tp=2, dp=4, ep=8))
    # an eighth of 800 bytes to each of the 3 others of the node, and to each of the 4 of the other
    assert topology.link_bytes(exchanged) == {"near": 300.0, "far": 400.0}
    assert topology.seconds(exchanged) == pytest.approx(COLLECTIVE_START_S + 2.0 + 40.0)


def test_stages_between_the_copies_push_experts_apart() -> None:
    exchanged = operation(OperationKind.ALL_TO_ALL, Axis.EXPERT, 4, 400)
    assert Topology(cluster(4, 2), Plan(tp=2, dp=2, pp=2, ep=4)).link_bytes(exchanged) == {
        "near": 200.0,
        "far": 400.0,
    }


def test_ranks_of_a_context_stand_beside_those_of_a_tensor() -> None:
    gathered = operation(OperationKind.ALL_GATHER, Axis.CONTEXT, 4, 200)
    assert Topology(cluster(8), Plan(tp=2, cp=4)).link_bytes(gathered) == {"near": 300.0}
    across = Topology(cluster(4, 2), Plan(tp=2, cp=4))
    assert across.link_bytes(gathered) == {"far": 300.0}
    # a quarter of 400 bytes to the other rank of the node, and to each of both in the other node
    exchanged = operation(OperationKind.ALL_TO_ALL, Axis.CONTEXT, 4, 200)
    assert across.link_bytes(exchanged) == {"near": 100.0, "far": 200.0}
    assert across.seconds(exchanged) == pytest.approx(COLLECTIVE_START_S + 2.0 + 20.0)


def test_stages_of_several_ranks_hand_over_across_nodes() -> None:
    sent = [operation(OperationKind.SEND, Axis.PIPELINE, 2, 50, stage) for stage in range(3)]
    topology = Topology(cluster(4, 2), Plan(cp=2, pp=4))
    assert [topology.link_bytes(each) for each in sent] == [{"near": 100.0}, {"far": 100.0}, {"near": 100.0}]


def test_a_device_alone_sends_nothing() -> None:
    alone = operation(OperationKind.ALL_REDUCE, Axis.TENSOR, 1, 100)
    assert Topology(cluster(), Plan()).seconds(alone) == 0.0
    assert Topology(cluster(), Plan()).link_bytes(alone) == {}


def test_a_plan_with_too_many_devices_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"needs 8 devices \(tp 4 x cp 1 x pp 2 x dp 1\) and the cluster has 4"
    ):
        Topology(cluster(4), Plan(tp=4, pp=2))


@given(st.integers(2, 64), st.integers(0, 10**9), st.integers(1, 10**9))
def test_more_bytes_are_never_faster(ranks: int, num_bytes: int, more: int) -> None:
    assert all_reduce_s(NEAR, ranks, num_bytes + more) >= all_reduce_s(NEAR, ranks, num_bytes)
    assert all_reduce_s(FAR, ranks, num_bytes) >= all_reduce_s(NEAR, ranks, num_bytes)
