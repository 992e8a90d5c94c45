"""What a profile says of the operations that models list."""

from collections.abc import Iterable

import pytest

from weft.contracts.formats import NarrowFormat, NumberFormat
from weft.costs.kernel_ratios import Correction, alone_key_s, overhang_s
from weft.costs.profiles.interpolation import Ladder, Point, Surface
from weft.costs.profiles.points import GRAPH_BYTES, Family
from weft.costs.profiles.profile import PART_OF_ANOTHER, PLAIN, AttentionTables, Profile
from weft.hardware.catalogue import find_cluster
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.operations import Formats, ForwardWork, Operation, Span
from weft.model_specs.plan import Plan
from weft.model_specs.quantization import QUANTIZATIONS
from weft.model_specs.shard import Shard

BF16 = NumberFormat.BFLOAT16
PLAIN_FORMATS = Formats(BF16, BF16, BF16)
TWO_RANKS = Plan(tp=2)


def flat(family: Family, ratio: float, start_s: float = 0.0) -> Surface:
    return Surface(start_s, Ladder.through({(1.0,) * len(family.coordinates): ratio}))


def through(values: dict[Point, float], start_s: float = 0.0) -> Surface:
    return Surface(start_s, Ladder.through(values))


def profile(surfaces: dict[str, Surface], notation: str = "8xh100", compact: bool = False) -> Profile:
    return Profile("made up", 0.1, surfaces, find_cluster(notation), compact)


def operations(
    model: str = "meta-llama/Llama-3.1-8B",
    plan: Plan = TWO_RANKS,
    spans: Iterable[Span] = (Span(0, 100),),
    formats: Formats = PLAIN_FORMATS,
) -> dict[str, Operation]:
    work = ForwardWork(tuple(spans), 1)
    listed = list(ForwardPass(Shard(find_model(model), plan), work, formats).operations())
    return {each.name: each for each in listed}


def test_products_are_found_by_their_sizes() -> None:
    surface = through({(4096.0, 7168.0, 100.0): 1.5, (14336.0, 4096.0, 100.0): 1.2}, 3e-6)
    found, listed = profile({"product bfloat16": surface}), operations()
    assert found.of_operation(listed["down_product"]) == pytest.approx((3e-6, 1.5))
    assert found.of_operation(listed["gate_up_product"]) == pytest.approx((3e-6, 1.2))


def test_narrow_products_have_a_surface_of_their_own_or_that_of_16_bits() -> None:
    listed = operations(formats=PLAIN_FORMATS._replace(quantization=QUANTIZATIONS["fp8"]))
    wide, narrow = flat(Family.PRODUCT, 2.0), flat(Family.PRODUCT, 3.0)
    both = profile({"product bfloat16": wide, "product float8": narrow})
    assert both.of_operation(listed["down_product"]).ratio == pytest.approx(3.0)
    assert both.of_operation(listed["logits_product"]).ratio == pytest.approx(2.0)
    assert both.of_operation(listed["down_input_quantization"]) == PART_OF_ANOTHER
    assert profile({"product bfloat16": wide}).of_operation(listed["down_product"]).ratio == pytest.approx(
        2.0
    )


def test_both_products_of_experts_are_one_measurement() -> None:
    surface = through({(2048.0, 768.0, 128.0, 3200.0): 1.4}, 9e-6)
    listed = operations("Qwen/Qwen3-30B-A3B", Plan(), [Span(0, 400)])
    for compact in (False, True):
        found = profile({"experts bfloat16": surface}, compact=compact)
        for name in ("expert_gate_up_product", "expert_down_product"):
            assert found.of_operation(listed[name]) == pytest.approx((9e-6, 1.4))
        for name in ("expert_silu_multiply", "expert_sum"):
            assert found.of_operation(listed[name]) == PART_OF_ANOTHER


def test_experts_whose_weights_are_widened_have_kernels_of_their_own_where_these_were_measured() -> None:
    wide, widened = flat(Family.EXPERTS, 2.0), flat(Family.WIDENED_EXPERTS, 3.0, 4e-6)
    both = profile({"experts bfloat16": wide, "widened_experts float4": widened})
    for name, ratio in (("w4a16", 3.0), ("w8a16", 2.0), ("nvfp4", 2.0), (None, 2.0)):
        formats = PLAIN_FORMATS._replace(quantization=None if name is None else QUANTIZATIONS[name])
        listed = operations("Qwen/Qwen3-30B-A3B", Plan(), formats=formats)
        assert both.of_operation(listed["expert_down_product"]).ratio == pytest.approx(ratio)


def test_a_norm_and_the_addition_before_it_take_what_was_measured_of_both() -> None:
    found, listed = profile({"norm": flat(Family.NORM, 2.0, 1e-6)}), operations()
    norm, addition = listed["feed_forward_norm"], listed["attention_residual_add"]
    bandwidth = found.cluster.device.figure("memory_bandwidth")
    together = found.of_operation(norm).seconds(norm.moved_bytes / bandwidth)
    together += found.of_operation(addition).seconds(addition.moved_bytes / bandwidth)
    four_operands = 4 * 100 * 4096 * 2 / bandwidth
    assert together == pytest.approx(2.0 * (four_operands + 1e-6), rel=0.01)


def test_norms_of_heads_are_one_kernel() -> None:
    found = profile({"head_norm": flat(Family.HEAD_NORM, 2.0, 1e-6), "norm": flat(Family.NORM, 9.0)})
    listed = operations("Qwen/Qwen3-8B")
    assert found.of_operation(listed["query_norm"]) == pytest.approx((1e-6, 2.0))
    assert found.of_operation(listed["key_norm"]) == pytest.approx((0.0, 2.0))


@pytest.mark.parametrize(
    ("name", "surface"),
    [
        ("rotary", Family.ROTARY),
        ("silu_multiply", Family.ACTIVATION),
        ("embedding", Family.EMBEDDING),
        ("logits_conversion", Family.SAMPLING),
    ],
)
def test_what_memory_bounds(name: str, surface: Family) -> None:
    listed = operations()
    moved = float(listed[name].moved_bytes)
    found = profile({surface.label: through({(moved,): 1.5, (2 * moved,): 4.0}, 2e-6)})
    assert found.of_operation(listed[name]) == pytest.approx((2e-6, 1.5))


def test_small_and_large_all_reduces_are_apart() -> None:
    surfaces = {"all_reduce": flat(Family.ALL_REDUCE, 0.5), "large_all_reduce": flat(Family.ALL_REDUCE, 2.0)}
    small, large = (operations(spans=[Span(0, rows)])["attention_all_reduce"] for rows in (1024, 1025))
    assert small.communication is not None
    assert small.communication.num_bytes == GRAPH_BYTES
    assert profile(surfaces).of_operation(small).ratio == pytest.approx(0.5)
    assert profile(surfaces).of_operation(large).ratio == pytest.approx(2.0)
    del surfaces["all_reduce"]
    assert profile(surfaces).of_operation(small).ratio == pytest.approx(2.0)


def test_between_nodes_and_without_measurements_the_roofline_stays() -> None:
    listed = operations("meta-llama/Llama-3.1-70B", Plan(tp=8, pp=2))
    surfaces = {"all_reduce": flat(Family.ALL_REDUCE, 0.5)}
    assert profile(surfaces, "2x4xh100").of_operation(listed["attention_all_reduce"]) == PLAIN
    assert profile(surfaces, "8xh100").of_operation(listed["attention_all_reduce"]) != PLAIN
    assert profile(surfaces).of_operation(listed["stage_handover"]) == PLAIN
    for name, operation in listed.items():
        if name != "attention":
            assert profile({}).of_operation(operation) in (PLAIN, PART_OF_ANOTHER, Correction(0.0, 2 / 3))
    assert profile({}).of_attention(listed["attention"]).single(3, 99.0) == PLAIN
    assert profile({}).of_attention(listed["attention"]).chunks(1, 9, 9.0, 45.0) == PLAIN


def test_attention_of_single_tokens() -> None:
    example = operations()["attention"]
    raw: dict[Point, float] = {(128.0, 4.0, 4.0, 8.0, 100.0): 1.5, (128.0, 4.0, 4.0, 8.0, 900.0): 6.0}
    found = profile({"single_attention bfloat16": through(raw, 7e-6)}).of_attention(example)
    assert found.single(8, 800.0) == pytest.approx((7e-6, 1.5))
    assert found.single(8, 2400.0) == pytest.approx((7e-6, 3.0))
    fitted: dict[Point, float] = {(4.0, 32.0, 100.0): 1.5, (4.0, 32.0, 900.0): 6.0}
    found = profile({"single_attention bfloat16": through(fitted)}, compact=True).of_attention(example)
    assert found.single(8, 2400.0).ratio == pytest.approx(3.0)


def test_attention_of_chunks() -> None:
    example = operations()["attention"]
    raw: dict[Point, float] = {(128.0, 4.0, 4.0, 300.0, 50.5): 2.0, (128.0, 4.0, 4.0, 300.0, 150.0): 5.0}
    found = profile({"chunk_attention bfloat16": through(raw, 7e-6)}).of_attention(example)
    assert found.chunks(3, 300, 300.0, 3 * 5050.0) == pytest.approx((7e-6, 2.0))
    fitted: dict[Point, float] = {(4.0, 4800.0, 50.5): 2.0, (4.0, 9600.0, 50.5): 5.0}
    found = profile({"chunk_attention bfloat16": through(fitted)}, compact=True).of_attention(example)
    assert found.chunks(3, 300, 300.0, 3 * 5050.0).ratio == pytest.approx(2.0)


def test_single_tokens_beside_chunks() -> None:
    example = operations()["attention"]
    surfaces = {
        "single_attention bfloat16": flat(Family.SINGLE_ATTENTION, 2.0),
        "attention_beside_chunks bfloat16": through({(128.0, 4.0, 4.0, 8.0, 100.0): 3.0}, 7e-6),
    }
    found = profile(surfaces).of_attention(example)
    assert isinstance(found, AttentionTables)
    assert found.single_beside_chunks(8, 800.0) == pytest.approx((7e-6, 3.0))
    assert found.single(8, 800.0).ratio == pytest.approx(2.0)
    del surfaces["attention_beside_chunks bfloat16"]
    found = profile(surfaces).of_attention(example)
    assert isinstance(found, AttentionTables)
    assert found.single_beside_chunks(8, 800.0) == found.single(8, 800.0)


@pytest.mark.parametrize(("notation", "few", "enough"), [("4xrtx-4090", 51, 52), ("4xrtx-pro-6000", 75, 76)])
def test_kernels_wait_for_the_longest_sequence_where_none_is_split(
    notation: str, few: int, enough: int
) -> None:
    """Four key-value heads per rank; the devices have 128 and 188 units."""
    example = operations()["attention"]
    beside = {"attention_beside_chunks bfloat16": flat(Family.ATTENTION_BESIDE, 2.0)}
    found = profile(beside, notation).of_attention(example)
    assert found.waits_for_longest(2, True)
    assert [found.waits_for_longest(number, False) for number in (few, enough)] == [False, True]
    assert not profile({}, notation).of_attention(example).waits_for_longest(enough, True)
    assert not profile(beside).of_attention(example).waits_for_longest(enough, True)


def test_a_longer_sequence_among_others_costs_half_of_what_its_unit_takes_longer() -> None:
    beside = {"attention_beside_chunks bfloat16": flat(Family.ATTENTION_BESIDE, 2.0)}
    found = profile(beside, "4xrtx-4090").of_attention(operations()["attention"])
    key_s = alone_key_s(found, 5e-9)
    assert key_s == pytest.approx(10e-9)
    assert overhang_s(key_s, 4, 4000, 3000) == pytest.approx(0.5 * 10e-9 * 2000)
    assert overhang_s(key_s, 4, 4000, 1000) == 0.0


def test_narrow_state_has_attention_of_its_own() -> None:
    example = operations(formats=PLAIN_FORMATS._replace(state=NarrowFormat.FLOAT8))["attention"]
    surfaces = {
        "single_attention bfloat16": flat(Family.SINGLE_ATTENTION, 2.0),
        "single_attention float8": flat(Family.SINGLE_ATTENTION, 3.0),
    }
    assert profile(surfaces).of_attention(example).single(1, 5.0).ratio == pytest.approx(3.0)
    del surfaces["single_attention float8"]
    assert profile(surfaces).of_attention(example).single(1, 5.0).ratio == pytest.approx(2.0)
