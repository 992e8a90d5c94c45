"""Norms, rotation, the gate and rows of a table by the compiled kernels: right, and each row by itself."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tests.ops.cpu.layers import example, numbers
from tests.ops.cpu.test_attention import BACKENDS, BEST, PLAIN
from weft.contracts.errors import ConfigurationError
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import levels
from weft.weights.packed import pack_floats

HALF_ULP = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}
DTYPES = [torch.float32, torch.bfloat16]
WIDTHS = [2, 16, 24, 64, 130, 1000]


def norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = x.double()
    return wide * (wide.square().mean(-1, keepdim=True) + eps).rsqrt() * weight.double()


def close(found: Tensor, wanted: Tensor, roundings: float) -> None:
    """To so many roundings in float32 and one to the format."""
    ulps = roundings * 2.0**-24 + HALF_ULP[found.dtype]
    torch.testing.assert_close(found.double(), wanted.double(), rtol=ulps, atol=1e-37)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("width", WIDTHS)
def test_each_is_what_the_formula_says(level: str, dtype: torch.dtype, width: int) -> None:
    ops = BACKENDS[level, 2]
    x, y, weight = (numbers(7, width, seed=i).to(dtype) for i in range(3))
    weight = weight[0]
    close(ops.rms_norm(x, weight, 1e-6), norm(x, weight, 1e-6), 2 * width)
    stream, normed = ops.add_rms_norm(x, y, weight, 1e-5)
    assert torch.equal(stream, x + y)
    close(normed, norm(stream, weight, 1e-5), 2 * width)
    heads = numbers(7, 3, width, seed=4).to(dtype)
    cos, sin = (numbers(7, width, seed=i).to(dtype) for i in (5, 6))
    low, high = heads.double().chunk(2, dim=-1)
    turned = heads.double() * cos.double()[:, None] + torch.cat((-high, low), -1) * sin.double()[:, None]
    torch.testing.assert_close(
        ops.rotate(heads, cos, sin).double(), turned, rtol=2 * HALF_ULP[dtype], atol=2.0**-20
    )
    assert torch.equal(ops.embed(x, torch.tensor([6, 0, 0, 3])), x[[6, 0, 0, 3]])


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def gated(ops: CpuOps, gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up, by a product with ones and zeros."""
    both = torch.cat([gate, up], 1)
    return ops.gated_linear(both, pack_floats(torch.eye(both.shape[1], dtype=both.dtype), None))


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_gate(level: str, dtype: torch.dtype) -> None:
    """Also where its exponential is out of range."""
    extreme = torch.tensor([[0.0, -0.0, 87.5, -87.5, 88.5, -88.5, 1e30, -1e30, 1e-30]])
    gate = torch.cat([numbers(1, 60), extreme], 1).to(dtype)
    up = numbers(1, 69, seed=1).to(dtype)
    wanted = functional.silu(gate.double()) * up.double()
    found = gated(BACKENDS[level, 1], gate, up)
    torch.testing.assert_close(found.double(), wanted, rtol=2 * HALF_ULP[dtype] + 2.0**-21, atol=1e-35)


def test_a_gate_that_is_not_finite_spoils_only_its_row() -> None:
    gate = numbers(4, 20)
    good = gated(BEST, gate, gate)
    gate[2, 5] = torch.nan
    spoiled = gated(BEST, gate, gate)
    assert torch.equal(spoiled[[0, 1, 3]], good[[0, 1, 3]])
    assert spoiled[2, 5].isnan()


OPERATIONS: dict[str, Callable[[CpuOps, Tensor], Tensor]] = {
    "rms_norm": lambda ops, x: ops.rms_norm(x, x[0].new_ones(x.shape[1]), 1e-6),
    "add_rms_norm": lambda ops, x: ops.add_rms_norm(x, x, x.new_ones(x.shape[1]), 1e-6)[1],
    "rotate": lambda ops, x: ops.rotate(x.view(len(x), 2, -1), x, x).flatten(1),
    "gate": lambda ops, x: ops.gated_linear(x, example("int8", torch.eye(x.shape[1])).packed),
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(
    rows=st.integers(1, 600),
    width=st.sampled_from([4, 20, 68, 128]),
    dtype=st.sampled_from(DTYPES),
    data=st.data(),
)
def test_a_row_has_the_same_bits_alone_and_on_all_levels(
    name: str, rows: int, width: int, dtype: torch.dtype, data: st.DataObject
) -> None:
    x = numbers(rows, width).to(dtype)
    together = OPERATIONS[name](BACKENDS[data.draw(st.sampled_from(list(BACKENDS)))], x)
    row = data.draw(st.integers(0, rows - 1))
    assert torch.equal(together[row : row + 1], OPERATIONS[name](PLAIN, x[row : row + 1]))


def test_parts_of_rows_need_no_copy() -> None:
    x = numbers(5, 3, 8)
    parts = torch.cat([numbers(5, 4, seed=1), x.flatten(1)], 1)[:, 4:].view(5, 3, 8)
    assert torch.equal(BEST.rms_norm(parts, torch.ones(8), 1e-6), BEST.rms_norm(x, torch.ones(8), 1e-6))
    scattered = numbers(8, 5).T
    assert torch.equal(
        BEST.rms_norm(scattered, torch.ones(8), 1e-6),
        BEST.rms_norm(scattered.contiguous(), torch.ones(8), 1e-6),
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(
    vocabulary=st.integers(1, 70), width=st.integers(1, 70), count=st.integers(1, 40), seed=st.integers(0, 99)
)
def test_rows_of_a_packed_layer(
    dtype: torch.dtype, vocabulary: int, width: int, count: int, seed: int
) -> None:
    table = numbers(vocabulary, width, seed=seed).to(dtype)
    tokens = torch.randint(vocabulary, (count,), generator=torch.Generator().manual_seed(seed))
    found = BEST.embed(pack_floats(table, None), tokens)
    assert found.dtype == dtype
    assert torch.equal(found, table[tokens])


def test_what_is_not_there_is_refused() -> None:
    for token in (-1, 5):
        for table in (numbers(5, 8), pack_floats(numbers(5, 8), None)):
            with pytest.raises(IndexError):
                BEST.embed(table, torch.tensor([0, token]))
    with pytest.raises(ConfigurationError, match="float16"):
        BEST.rms_norm(numbers(2, 4).half(), torch.ones(4).half(), 1e-6)
