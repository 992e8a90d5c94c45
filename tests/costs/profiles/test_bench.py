"""Measured kernels are predicted as the same kernels of a model are."""

from itertools import pairwise

import pytest

from weft.contracts.formats import AnyFormat, NarrowFormat, NumberFormat
from weft.costs.profiles.bench import Bench, ExpertLayer, Heads
from weft.costs.profiles.points import format_class
from weft.costs.roofline import Roofline, fused
from weft.hardware.catalogue import find_cluster
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.operations import Formats, ForwardWork, Operation, OperationKind, Span
from weft.model_specs.plan import ONE_DEVICE, Plan
from weft.model_specs.quantization import QUANTIZATIONS
from weft.model_specs.shard import Shard

CLUSTER = find_cluster("8xh100")
BF16 = NumberFormat.BFLOAT16
STATES: dict[str, AnyFormat] = {"bfloat16": BF16, "float8": NarrowFormat.FLOAT8}


def operations(
    model: str, plan: Plan, spans: tuple[Span, ...], number: str, layer: int = 0
) -> dict[str, Operation]:
    quantization = None if number == "bfloat16" else QUANTIZATIONS["fp8"]
    formats = Formats(BF16, STATES[number], BF16, quantization)
    listed = ForwardPass(Shard(find_model(model), plan), ForwardWork(spans, 1), formats)
    return {each.name: each for each in fused(listed.layer_operations(0, layer))}


def seconds(operation: Operation, plan: Plan = ONE_DEVICE) -> float:
    return Roofline(CLUSTER, plan).machine().seconds(operation)


@pytest.mark.parametrize("number", ["bfloat16", "float8"])
@pytest.mark.parametrize("rows", [1, 700])
def test_products(number: str, rows: int) -> None:
    listed = operations("meta-llama/Llama-3.1-8B", Plan(tp=2), (Span(0, rows),), number)
    measured = Bench(CLUSTER, number).product(rows, 14336, 4096, 1.0)
    assert measured.roofline_s == pytest.approx(seconds(listed["gate_up_product"]))
    assert list(measured.point) == [14336, 4096, rows]


@pytest.mark.parametrize("number", ["bfloat16", "float8"])
def test_attention(number: str) -> None:
    bench, heads = Bench(CLUSTER, number), Heads(16, 4, 128)
    model, plan = "meta-llama/Llama-3.1-8B", Plan(tp=2)
    single = operations(model, plan, (Span(999, 1),) * 30, number)["attention"]
    measured = bench.single_attention(heads, 30, 1000, 1.0)
    assert measured.roofline_s == pytest.approx(seconds(single))
    assert list(measured.point) == [128, 4, 4, 30, 1000]
    chunk = operations(model, plan, (Span(200, 100),) * 3, number)["attention"]
    measured = bench.chunk_attention(heads, 3, 100, 200, 1.0)
    assert measured.roofline_s == pytest.approx(seconds(chunk))
    assert list(measured.point) == [128, 4, 4, 300, 250.5]


@pytest.mark.parametrize("tokens", [1, 40, 3000])
@pytest.mark.parametrize("plan", [Plan(), Plan(tp=4), Plan(tp=4, ep=4)])
def test_experts(plan: Plan, tokens: int) -> None:
    listed = operations("Qwen/Qwen3-30B-A3B", plan, (Span(0, tokens),), "bfloat16")
    layer = ExpertLayer(2048, 768, 128, 8, tp=1 if plan.ep > 1 else plan.tp, ep=plan.ep)
    measured = Bench(CLUSTER).experts(layer, tokens, 1.0)
    products = (listed["expert_gate_up_product"], listed["expert_down_product"])
    assert measured.roofline_s == pytest.approx(sum(map(seconds, products)))
    assert measured.kernels == 2


def test_collectives() -> None:
    plan = Plan(tp=4)
    listed = operations("meta-llama/Llama-3.1-8B", plan, (Span(0, 100),), "bfloat16")
    measured = Bench(find_cluster("h100")).collective(OperationKind.ALL_REDUCE, 4, 100 * 4096, 1.0)
    assert measured.roofline_s == pytest.approx(seconds(listed["attention_all_reduce"], plan))
    assert list(measured.point) == [4, 2 * 100 * 4096]


def test_classes_of_formats() -> None:
    numbers: list[AnyFormat] = [*NumberFormat, *NarrowFormat]
    assert [format_class(number) for number in numbers] == [
        *["bfloat16"] * 3,
        *["float8"] * 2,
        *["float4"] * 2,
    ]


def test_what_moves_more_takes_longer() -> None:
    bench = Bench(CLUSTER)
    times = [bench.moving(1000 * moved, 1.0).roofline_s for moved in (1, 2, 3)]
    assert all(one < other for one, other in pairwise(times))
