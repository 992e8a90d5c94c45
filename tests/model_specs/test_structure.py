"""Layers that are not Llama's: their operations and parameters, by hand and by laws."""

from dataclasses import replace

import pytest

from tests.model_specs.configs import TINY
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.state import PagedGroup
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import ForwardWork, Operation, OperationKind, Span
from weft.model_specs.plan import Plan
from weft.model_specs.rope import RopeSpec
from weft.model_specs.structure import LatentAttention, Structure

HALF = NumberFormat.BFLOAT16
PLAIN = replace(spec_from_config(TINY, "config.json"), layer_windows=(None,))
LATENT = LatentAttention(query_rank=6, state_rank=5, plain_dim=4, rotary_dim=2, value_dim=3)
COMPRESSED = replace(
    PLAIN, num_kv_heads=4, head_dim=6, rope=RopeSpec(1e4, 2), structure=Structure(latent=LATENT)
)
LEARNED = replace(
    PLAIN, mlp_bias=True, structure=Structure(gated=False, norm_bias=True, learned_positions=20)
)
PARALLEL = replace(PLAIN, structure=Structure(gated=False, parallel=True, norms_per_layer=1))


def operations(spec: ModelSpec, *spans: Span, plan: Plan | None = None) -> dict[str, Operation]:
    listed = spec.operations(ForwardWork(spans, 0), HALF, HALF, HALF, plan=plan or Plan())
    return {each.name: each for each in listed}


@pytest.mark.parametrize(
    "spec",
    [
        COMPRESSED,
        LEARNED,
        PARALLEL,
        replace(PARALLEL, structure=replace(PARALLEL.structure, norms_per_layer=2)),
    ],
)
def test_every_weight_is_read_once(spec: ModelSpec) -> None:
    listed = spec.operations(ForwardWork((Span(0, 3),), 1), HALF, HALF, HALF)
    read = sum(each.weight_bytes for each in listed if each.kind is not OperationKind.EMBEDDING)
    tables = (0 if spec.ties_embeddings else spec.vocab_size) + spec.structure.learned_positions
    assert read == 2 * (spec.num_parameters - tables * spec.hidden_size)


def test_compressed_state_does_not_depend_on_heads() -> None:
    assert COMPRESSED.state_layout(HALF).groups == (PagedGroup("attention", (5 + 2) * 2),)


def test_single_units_meet_the_compressed_state() -> None:
    """4 heads; the unit sees 10 positions of 7 numbers."""
    found = operations(COMPRESSED, Span(9, 1))
    assert found["query_absorption_product"].flops == 2 * 4 * 4 * 5
    assert found["value_expansion_product"].flops == 2 * 4 * 5 * 3
    attention = found["attention"]
    assert attention.flops == 2 * 10 * 4 * (7 + 5)
    assert attention.read_bytes == 2 * (4 * 7 + 7 + 10 * 7)
    assert attention.written_bytes == 2 * (4 * 5 + 7)
    assert "state_expansion_product" not in found


def test_longer_spans_expand_all_that_they_see() -> None:
    """3 units after 2: 5 visible positions, 3 + 4 + 5 pairs; a head has 6 numbers of query and 3 of value."""
    found = operations(COMPRESSED, Span(2, 3))
    expansion, attention = found["state_expansion_product"], found["attention"]
    assert expansion.flops == 2 * 5 * (4 * (4 + 3)) * 5
    assert attention.flops == 2 * 12 * 4 * (6 + 3)
    assert attention.read_bytes == 2 * (3 * (4 * 6 + 7) + 5 * 4 * (4 + 3) + 5 * 2)
    assert "query_absorption_product" not in found


def test_learned_positions_take_the_place_of_rotation() -> None:
    found = operations(LEARNED, Span(0, 3))
    assert "rotary" not in found
    assert found["position_embedding"].weight_bytes == 3 * 8 * 2
    assert found["up_product"].flops == 2 * 3 * 12 * 8
    assert found["activation"].read_bytes == 3 * 12 * 2
    assert found["final_norm"].weight_bytes == 2 * 8 * 2


def test_parallel_layers_share_a_norm_and_sum_once() -> None:
    listed = list(PARALLEL.operations(ForwardWork((Span(0, 3),), 0), HALF, HALF, HALF, plan=Plan(tp=2)))
    names = [each.name for each in listed if each.layer == 0]
    assert names == [
        "attention_norm",
        "qkv_product",
        "rotary",
        "attention",
        "output_product",
        "up_product",
        "activation",
        "down_product",
        "branch_add",
        "layer_all_reduce",
        "residual_add",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"norms_per_layer": 1}, "norms_per_layer is 1; it must be 2, or 1 in a parallel layer"),
        ({"parallel": True, "norms_per_layer": 3}, "norms_per_layer is 3"),
        ({"learned_positions": -1}, "learned_positions is -1"),
    ],
)
def test_an_impossible_structure_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Structure(**values)  # type: ignore[arg-type]  # flags among the numbers


def test_impossible_latent_attention_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="state_rank is 0; it must be at least 1"):
        replace(LATENT, state_rank=0)
    with pytest.raises(ConfigurationError, match="head_dim is 8; latent attention makes it 6"):
        replace(COMPRESSED, head_dim=8)
    with pytest.raises(ConfigurationError, match=r"rope turns 6 dimensions; it must be the rotary_dim \(2\)"):
        replace(COMPRESSED, rope=RopeSpec(1e4, 6))
