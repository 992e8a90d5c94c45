"""Products of the compiled kernels: right on every level of instructions, and the same bits alone and among others."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.ops.cpu.layers import FORMATS, INTEGERS, MIXED, Example, bound, example, expected, numbers
from weft.contracts.errors import ConfigurationError
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import LEVEL_VARIABLE, choose_level, levels
from weft.ops.cpu.products import Products
from weft.weights.packed import PackedFormat

LEVELS = levels()
BACKENDS = {(level, threads): Products(threads, level) for level in LEVELS for threads in (1, 2, 3, 4)}
NUMBER_TYPES = [torch.float32, torch.bfloat16]
SHAPES = [(1, 1, 1), (3, 17, 5), (8, 16, 32), (9, 530, 72), (5, 33, 257), (16, 64, 128), (17, 100, 96)]


def assert_close(y_TO: Tensor, made: Example, x_TI: Tensor) -> None:
    error_TO = (y_TO.double() - expected(made, x_TI)).abs()
    allowed_TO = bound(made, x_TI)
    assert (error_TO <= allowed_TO).all(), (error_TO / allowed_TO).max()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dtype", NUMBER_TYPES, ids=str)
def test_products_are_right(level: str, kind: str, dtype: torch.dtype) -> None:
    for rows, outputs, inputs in SHAPES:
        made = example(kind, numbers(outputs, inputs, seed=rows), numbers(outputs, seed=2))
        x_TI = numbers(rows, inputs, seed=3).to(dtype)
        y_TO = BACKENDS[level, 1](x_TI, made.packed)
        assert y_TO.dtype == dtype
        assert y_TO.shape == (rows, outputs)
        assert_close(y_TO, made, x_TI)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_rows_and_no_bias(kind: str) -> None:
    made = example(kind, numbers(20, 40))
    for rows in (0, 1, 7):
        x_TI = numbers(rows, 40)
        assert_close(BACKENDS[LEVELS[0], 2](x_TI, made.packed), made, x_TI)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", FORMATS)
def test_extreme_scales(level: str, kind: str) -> None:
    """Rows from the smallest denormal numbers to nearly the largest, and weights whose outputs differ as much."""
    weight_OI = numbers(24, 64) * torch.logspace(-12, 12, 24)[:, None]
    made = example(kind, weight_OI)
    x_TI = numbers(30, 64, seed=1) * torch.logspace(-44, 24, 30)[:, None]
    x_TI[7] = 0.0
    assert_close(BACKENDS[level, 1](x_TI, made.packed), made, x_TI)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", INTEGERS + MIXED)
def test_groups_of_extreme_scales(kind: str, level: str) -> None:
    weight_OI = numbers(16, 256)
    weight_OI[:, :32] *= 1e-3
    weight_OI[:, 128:160] = 0.0
    weight_OI[3] = 0.0
    made = example(kind, weight_OI)
    x_TI = numbers(4, 256, seed=1)
    assert_close(BACKENDS[level, 1](x_TI, made.packed), made, x_TI)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
def test_a_row_that_is_not_finite_spoils_only_itself(level: str, kind: str, bad: float) -> None:
    made = example(kind, numbers(40, 64))
    x_TI = numbers(9, 64, seed=1)
    good = BACKENDS[level, 1](x_TI, made.packed)
    x_TI[4, 63] = bad
    spoiled = BACKENDS[level, 1](x_TI, made.packed)
    others = [row for row in range(9) if row != 4]
    assert torch.equal(spoiled[others], good[others])
    assert not spoiled[4].isfinite().any()
    if kind in INTEGERS:
        assert spoiled[4].isnan().all()


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("dtype", NUMBER_TYPES, ids=str)
def test_integers_have_the_same_bits_on_all_levels(kind: str, dtype: torch.dtype) -> None:
    made = example(kind, numbers(70, 300), numbers(70, seed=4))
    x_TI = numbers(21, 300, seed=1).to(dtype)
    first, *others = (BACKENDS[level, 1](x_TI, made.packed) for level in LEVELS)
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("name", "lowest", "highest"), [("int8", -127, 127), ("int4-32", -8, 7)])
@pytest.mark.parametrize("activations", ["", "-a16"])
@pytest.mark.parametrize("dtype", NUMBER_TYPES, ids=str)
def test_whole_numbers_are_multiplied_exactly(
    level: str, name: str, lowest: int, highest: int, activations: str, dtype: torch.dtype
) -> None:
    """With the extreme in each group all scales are one, so results are the integers themselves."""
    stream = torch.Generator().manual_seed(0)
    weight_OI = torch.randint(lowest, highest + 1, (50, 160), generator=stream).float()
    weight_OI[:, ::32] = lowest
    x_TI = torch.randint(-127, 128, (11, 160), generator=stream).float()
    x_TI[:, 5] = 127.0
    y_TO = BACKENDS[level, 1](x_TI.to(dtype), example(f"{name}{activations}", weight_OI).packed)
    assert torch.equal(y_TO, (x_TI @ weight_OI.T).to(dtype))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", NUMBER_TYPES, ids=str)
@pytest.mark.parametrize(("name", "count"), [("int8", 255), ("int4-32", 16)])
def test_every_integer_is_itself_at_every_place(
    level: str, dtype: torch.dtype, name: str, count: int
) -> None:
    """One activation is 1 at a time, so that an output is the weight there."""
    lowest = -(count // 2)
    values = torch.arange(lowest, lowest + count).float()
    weight_OI = torch.stack([values.roll(shift) for shift in range(64)], dim=1)
    weight_OI[:, ::32] = lowest
    made = example(f"{name}-a16", weight_OI)
    y_TO = BACKENDS[level, 1](torch.eye(64, dtype=dtype), made.packed)
    assert torch.equal(y_TO.float(), weight_OI.T)


@pytest.mark.parametrize("kind", ["int8", "int4-128", "int8-a16", "int4-128-a16"])
def test_the_largest_sums_are_exact(kind: str) -> None:
    """Integers at their limits everywhere, so that an addition that saturates or wraps would show."""
    weight_OI = torch.ones(16, 4096)
    weight_OI[1::2] = -1.0
    made = example(kind, weight_OI)
    x_TI = torch.tensor([1.0, -1.0]).repeat_interleave(4096).view(2, 4096)
    for level in LEVELS:
        assert_close(BACKENDS[level, 1](x_TI, made.packed), made, x_TI)


@pytest.mark.parametrize("kind", ["int4-32", "int4-128"])
@pytest.mark.parametrize("inputs", [16384, 16512])
def test_sums_of_whole_scales_fit_an_integer(kind: str, inputs: int) -> None:
    """The largest scale everywhere, -8 times an activation of 127 each: one more input than fits must not wrap."""
    made = example(kind, torch.full((16, inputs), -1.0))
    assert made.packed.format is PackedFormat.INT4_WHOLE
    for level in LEVELS:
        assert (BACKENDS[level, 1](torch.ones(33, inputs), made.packed) == -inputs).all(), level


@given(
    level=st.sampled_from(LEVELS),
    kind=st.sampled_from(FORMATS),
    dtype=st.sampled_from(NUMBER_TYPES),
    rows=st.integers(1, 40),
    outputs=st.integers(1, 300),
    inputs=st.integers(1, 300),
    threads=st.integers(1, 4),
    data=st.data(),
)
def test_a_row_has_the_same_bits_alone_and_among_others(
    level: str,
    kind: str,
    dtype: torch.dtype,
    rows: int,
    outputs: int,
    inputs: int,
    threads: int,
    data: st.DataObject,
) -> None:
    made = example(kind, numbers(outputs, inputs), numbers(outputs))
    x_TI = numbers(rows, inputs, seed=1).to(dtype)
    together = BACKENDS[level, threads](x_TI, made.packed)
    start = data.draw(st.integers(0, rows - 1))
    end = data.draw(st.integers(start + 1, rows))
    apart = BACKENDS[level, data.draw(st.integers(1, 4))](x_TI[start:end], made.packed)
    assert torch.equal(together[start:end], apart)


@pytest.mark.parametrize("kind", FORMATS)
def test_large_products_have_the_same_bits_on_any_number_of_threads(kind: str) -> None:
    made = example(kind, numbers(1000, 512))
    x_TI = numbers(77, 512, seed=1)
    alone = torch.cat([BACKENDS[LEVELS[0], 1](row[None], made.packed) for row in x_TI])
    for threads in (1, 2, 3, 4):
        assert torch.equal(BACKENDS[LEVELS[0], threads](x_TI, made.packed), alone)


def test_activations_of_another_format_are_refused() -> None:
    made = example("int8", numbers(4, 4))
    with pytest.raises(ConfigurationError, match="float16"):
        BACKENDS[LEVELS[0], 1](numbers(2, 4).half(), made.packed)


def test_a_level_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_level() == LEVELS[0]
    monkeypatch.setenv(LEVEL_VARIABLE, "portable")
    assert Products(1).level == "portable"
    assert choose_level(LEVELS[0]) == LEVELS[0]
    monkeypatch.setenv(LEVEL_VARIABLE, "avx4096")
    with pytest.raises(ConfigurationError, match=r"avx4096.*portable"):
        choose_level()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["int4-32", "bfloat16", "float32"])
@pytest.mark.parametrize("dtype", NUMBER_TYPES, ids=str)
def test_scores_are_what_linear_gives(
    level: str, kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As float32, in all columns of one block and some of the next, and for a row that is not finite."""
    monkeypatch.setenv(LEVEL_VARIABLE, level)
    ops, x_TI = CpuOps(1), numbers(40, 64, seed=1).to(dtype)
    x_TI[3, 5] = torch.nan
    made = example(kind, numbers(20, 64), numbers(20, seed=2))
    found_TO = ops.scores(x_TI, made.packed)
    assert found_TO.dtype == torch.float32
    assert torch.equal(found_TO.nan_to_num(9e9), ops.linear(x_TI, made.packed).float().nan_to_num(9e9))
