"""The level amx: what its registers compute is what Intel documents, and no row's bits depend on their shapes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.ops.cpu.layers import INTEGERS, Example, bound, example, expected, numbers
from weft.contracts.errors import ConfigurationError
from weft.ops.cpu import library
from weft.ops.cpu.library import AMX, choose_level, kernels, levels
from weft.ops.cpu.products import Products
from weft.weights.packed import PackedFormat, Quantised, pack_quantised, quantise_int4

STEP_INPUTS = 32
"""Of bfloat16 that are multiplied at once."""
EXACT_INPUTS = 16384
"""Of integers with whole scales that are summed up exactly."""
EDGES = (8, 9, 12, 13, 15, 16, 17, 31, 32, 33, 65, 130, 257)
"""Rows around those of a register, of two, and of a tile."""

needs_amx = pytest.mark.skipif(AMX not in levels(), reason=f"level amx: {kernels().why_no_amx()}")


@pytest.fixture(scope="module")
def products() -> dict[int, Products]:
    """By the number of threads."""
    return {threads: Products(threads, AMX) for threads in (1, 2, 3)}


def int8_in_groups(weight_OI: Tensor) -> Example:
    """As blocks of GGUF are: bytes in groups of 32."""
    halved = quantise_int4(weight_OI, 32)
    quantised = Quantised(halved.numbers_OI * 15 + 3, halved.scales_OG, halved.factors_O)
    packed = pack_quantised(quantised, 8, None, weight_OI.shape[1])
    return Example(packed, quantised.values()[:, : weight_OI.shape[1]], quantised)


def int4_of_files(weight_OI: Tensor) -> Example:
    """As blocks of GGUF are: scales that are not whole."""
    whole = quantise_int4(weight_OI, 32)
    quantised = whole._replace(scales_OG=whole.scales_OG * 1.01)
    packed = pack_quantised(quantised, 4, None, weight_OI.shape[1])
    assert packed.format is PackedFormat.INT4
    return Example(packed, quantised.values()[:, : weight_OI.shape[1]], quantised)


OF_FILES = {"groups of bytes": int8_in_groups, "groups of halves": int4_of_files}


def by_chains(x_TI: Tensor, weight_OI: Tensor) -> Tensor:
    """TDPBF16PS as its manual has it: of each 32 inputs, those at even places and those at odd places are summed up in
    order, products exact; then both sums are added, and that to the sums of the inputs before."""
    total_TO = torch.zeros(len(x_TI), len(weight_OI))
    products_TOI = x_TI.float()[:, None, :] * weight_OI.float()
    for products_TOK in torch.split(products_TOI, STEP_INPUTS, dim=2):
        chains_TO2 = torch.zeros(*total_TO.shape, 2)
        for pair_TO2 in products_TOK.view(*total_TO.shape, -1, 2).unbind(2):
            chains_TO2 = chains_TO2 + pair_TO2
        total_TO = total_TO + (chains_TO2[..., 0] + chains_TO2[..., 1])
    return total_TO


@needs_amx
def test_pairs_are_added_in_the_documented_order(products: dict[int, Products]) -> None:
    weight_OI = numbers(40, 96).bfloat16()
    x_TI = numbers(37, 96, seed=1).bfloat16()
    made = example("bfloat16", weight_OI)
    assert torch.equal(products[1](x_TI, made.packed), by_chains(x_TI, weight_OI).bfloat16())


@needs_amx
@settings(max_examples=40)
@given(
    rows=st.integers(1, 140),
    steps=st.integers(1, 9),
    outputs=st.integers(1, 150),
    odd=st.booleans(),
    threads=st.sampled_from([1, 2, 3]),
    data=st.data(),
)
def test_a_row_of_pairs_has_the_same_bits_alone_and_among_others(
    products: dict[int, Products],
    rows: int,
    steps: int,
    outputs: int,
    odd: bool,
    threads: int,
    data: st.DataObject,
) -> None:
    """Also where one number of the last pair is missing."""
    inputs = steps * STEP_INPUTS - odd
    made = example("bfloat16", numbers(outputs, inputs), numbers(outputs))
    x_TI = numbers(rows, inputs, seed=1).bfloat16()
    together = products[threads](x_TI, made.packed)
    start = data.draw(st.integers(0, rows - 1))
    end = data.draw(st.integers(start + 1, rows))
    assert torch.equal(together[start:end], products[1](x_TI[start:end], made.packed))
    error_TO = (together.double() - expected(made, x_TI)).abs()
    assert (error_TO <= bound(made, x_TI)).all()


@needs_amx
@pytest.mark.parametrize("kind", [*INTEGERS, *OF_FILES])
@pytest.mark.parametrize("inputs", [96, 1120, 2080, 2 * EXACT_INPUTS + 96])
def test_integers_have_the_bits_of_vectors_in_any_number_of_rows(
    products: dict[int, Products], kind: str, inputs: int
) -> None:
    """Also of more inputs than fit one integer."""
    weight_OI = numbers(50, inputs)
    made = OF_FILES[kind](weight_OI) if kind in OF_FILES else example(kind, weight_OI, numbers(50))
    vectors = Products(1, "avx512")
    for rows in EDGES:
        x_TI = numbers(rows, inputs, seed=1).to(torch.bfloat16 if rows % 2 else torch.float32)
        assert torch.equal(products[2](x_TI, made.packed), vectors(x_TI, made.packed)), rows


@needs_amx
@pytest.mark.parametrize("kind", ["bfloat16", "int8", "int4-32"])
def test_a_row_that_is_not_finite_spoils_only_itself_in_a_register(
    products: dict[int, Products], kind: str
) -> None:
    made = example(kind, numbers(40, 64))
    x_TI = numbers(40, 64, seed=1).bfloat16()
    good = products[1](x_TI, made.packed)
    x_TI[20, 63] = torch.inf
    spoiled = products[1](x_TI, made.packed)
    others = [row for row in range(40) if row != 20]
    assert torch.equal(spoiled[others], good[others])
    assert not spoiled[20].isfinite().any()


def test_the_level_is_there_or_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (AMX in levels()) == (kernels().why_no_amx() is None)
    without = [level for level in levels() if level != AMX]
    monkeypatch.setattr(library, "levels", lambda: without)
    with pytest.raises(ConfigurationError, match=r"level 'amx'.*choose from.*portable"):
        choose_level(AMX)
