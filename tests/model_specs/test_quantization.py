"""Fewer bits: what is narrowed, by hand, and what stays."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_specs.configs import TINY
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NarrowFormat, NumberFormat
from weft.contracts.state import PagedGroup
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats, ForwardWork, Operation, OperationKind, Span
from weft.model_specs.quantization import (
    QUANTIZATIONS,
    ScaledFormat,
    find_quantization,
    find_state_format,
)

HALF = NumberFormat.BFLOAT16
SPEC = replace(spec_from_config(TINY, "config.json"), layer_windows=(None,), mlp_bias=True)
WORK = ForwardWork((Span(2, 3),), 1)
NARROWED = ("qkv", "output", "gate_up", "down")


def operations(name: str | None, spec: ModelSpec = SPEC) -> dict[str, Operation]:
    return {each.name: each for each in spec.operations(WORK, HALF, HALF, HALF, find_quantization(name))}


def test_rows_are_packed_with_their_scales() -> None:
    assert ScaledFormat(NarrowFormat.FLOAT8, 32).row_bytes(100) == 100 + 4
    # 4,096 numbers of 4 bits; 32 groups of 128 with a scale of 16 bits and a zero point of 4
    assert ScaledFormat(NarrowFormat.INT4, 20, 128).row_bytes(4096) == 2048 + 32 * 20 // 8
    # 3 numbers of 4 bits and one scale of 8
    assert ScaledFormat(NarrowFormat.FLOAT4, 8, 16).row_bytes(3) == 3


def test_products_of_weights_alone_narrowed_are_computed_as_before() -> None:
    before, after = operations(None), operations("w4a16")
    assert list(after) == list(before)
    for part in NARROWED:
        wide, narrow = before[f"{part}_product"], after[f"{part}_product"]
        sizes = dict(wide.shape)
        row_bytes = QUANTIZATIONS["w4a16"].weight.row_bytes(sizes["inputs"])
        biases = SPEC.mlp_bias * sizes["outputs"] if part in ("gate_up", "down") else 0
        assert narrow.weight_bytes == sizes["outputs"] * row_bytes + biases * HALF.num_bytes
        assert dict(narrow.formats) == {"weight": NarrowFormat.INT4, "input": HALF, "output": HALF}
        assert (narrow.flops, narrow.read_bytes) == (wide.flops, wide.read_bytes)


def test_inputs_are_narrowed_by_an_operation_of_their_own() -> None:
    listed = operations("fp8")
    wide, narrow = listed["down_input_quantization"], listed["down_product"]
    # 3 tokens of 12 numbers, with a float32 scale each
    assert (wide.kind, wide.read_bytes, wide.written_bytes) == (
        OperationKind.ELEMENTWISE,
        3 * 12 * 2,
        3 * (12 + 4),
    )
    assert narrow.read_bytes == wide.written_bytes
    assert dict(narrow.formats) == {
        "weight": NarrowFormat.FLOAT8,
        "input": NarrowFormat.FLOAT8,
        "output": HALF,
    }


@given(st.sampled_from(list(QUANTIZATIONS)))
def test_all_but_linear_layers_stay(name: str) -> None:
    spec = replace(SPEC, experts=ExpertsSpec(4, 2, 6, sums_to_one=True), layer_windows=(None, None))
    spec = replace(spec, experts=replace(spec.experts, dense_layers=(0,)) if spec.experts else None)
    before, after = operations(None, spec), operations(name, spec)
    changed = {each for each in before if before[each] != after[each]}
    linear = {f"{part}_product" for part in (*NARROWED, "expert_gate_up", "expert_down")}
    assert changed == linear
    added = {each for each in after if each not in before}
    has_inputs = QUANTIZATIONS[name].inputs is not None
    assert added == (
        {each.replace("product", "input_quantization") for each in linear} if has_inputs else set()
    )


def test_arithmetic_is_that_of_inputs() -> None:
    found = [Formats(HALF, HALF, HALF, find_quantization(name)).arithmetic for name in (None, "awq", "nvfp4")]
    assert found == [(HALF,), (HALF,), (HALF, NarrowFormat.FLOAT4)]


@pytest.mark.parametrize(
    ("name", "per_token"), [("auto", 128), ("fp8", 64), ("fp8_e5m2", 64), ("float32", 256)]
)
def test_keys_and_values_may_be_narrower(name: str, per_token: int) -> None:
    spec = replace(SPEC, layer_windows=(None,) * 4)
    found = spec.state_layout(find_state_format(name, HALF)).groups
    assert found == (PagedGroup("attention", per_token),)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"quantization 'W4A16' is unknown; did you mean w4a16?"):
        find_quantization("W4A16")
    with pytest.raises(ConfigurationError, match="quantization 'xyz' is unknown; choose from fp8, w8a8"):
        find_quantization("xyz")
    with pytest.raises(ConfigurationError, match=r"kv_cache_dtype 'fp7' is unknown; did you mean fp8"):
        find_state_format("fp7", HALF)
