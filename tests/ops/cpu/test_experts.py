"""Experts by the kernels: right on every level of instructions, and a token's bits the same in every crowd."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.ops.cpu.layers import INTEGERS, Example, example, numbers
from tests.ops.cpu.test_attention import BACKENDS, BEST
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import levels
from weft.ops.torch_ops import TorchOps
from weft.weights.experts import Experts
from weft.weights.linear import Linear

HIDDEN, INNER, NUM_EXPERTS = 64, 48, 7
DTYPES = [torch.float32, torch.bfloat16]
FLOATS, MIXED = ("float32", "bfloat16"), ("int8-a16", "int4-32-a16")
NARROW = 2.0**-8
"""A rounding to bfloat16."""


class Mixture(NamedTuple):
    """Experts as they are computed, and what their packed weights stand for in float64."""

    router: Example
    gate_up: list[Example]
    down: list[Example]
    num_chosen: int
    sums_to_one: bool

    @property
    def experts(self) -> Experts:
        """What the operation takes."""
        gate_up, down = ([each.packed for each in made] for made in (self.gate_up, self.down))
        return Experts(self.router.packed, gate_up, down, self.num_chosen, self.sums_to_one)


def mixture(
    kind: str, num_chosen: int = 2, sums_to_one: bool = True, router: Tensor | None = None
) -> Mixture:
    """Random weights, with biases, in a format named as in `FORMATS`; the router's stay in float32."""
    count = NUM_EXPERTS if router is None else len(router)
    gates, downs = numbers(count, 2 * INNER, HIDDEN, scale=0.3), numbers(count, HIDDEN, INNER, seed=1)
    biases = numbers(count, 2 * INNER, seed=2)
    return Mixture(
        example("float32", numbers(count, HIDDEN, seed=3, scale=0.3) if router is None else router),
        [example(kind, gate, bias) for gate, bias in zip(gates, biases, strict=True)],
        [example(kind, down) for down in downs],
        num_chosen,
        sums_to_one,
    )


def tokens(number: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return numbers(number, HIDDEN, seed=4).to(dtype)


def by_definition(x_D: Tensor, made: Mixture) -> Tensor:
    """Of one token, in float64."""
    x_D = x_D.double()
    scores_N = made.router.weight_OI @ x_D
    experts_K = scores_N.sort(descending=True, stable=True)[1][: made.num_chosen]
    shares_K = scores_N.softmax(-1)[experts_K]
    if made.sums_to_one:
        shares_K = shares_K / shares_K.sum()
    total_D = torch.zeros(HIDDEN).double()
    for share, index in zip(shares_K, experts_K.tolist(), strict=True):
        gate_up, down = made.gate_up[index], made.down[index]
        gate_F, up_F = (gate_up.weight_OI @ x_D + gate_up.shift).chunk(2)
        total_D += share * (down.weight_OI @ (functional.silu(gate_F) * up_F) + down.shift)
    return total_D


def worst(found_TD: Tensor, x_TD: Tensor, made: Mixture) -> float:
    """The largest error of a token as a share of its result."""
    expected_TD = torch.stack([by_definition(x_D, made) for x_D in x_TD])
    return float(((found_TD.double() - expected_TD).norm(dim=1) / expected_TD.norm(dim=1)).max())


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize(
    ("kind", "most"),
    [*((kind, 1e-5) for kind in (*FLOATS, *MIXED)), ("int8", 0.02), ("int4-32", 0.02)],
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_each_token_gets_what_the_definition_says(
    level: str, kind: str, most: float, dtype: torch.dtype
) -> None:
    """Numbers are rounded on the way where they are bfloat16: both halves of the gate, what opens, what is made."""
    made, x_TD = mixture(kind), tokens(17, dtype)
    found_TD = BACKENDS[level, 2].experts(x_TD, made.experts)
    assert found_TD.dtype == dtype
    assert worst(found_TD, x_TD, made) < most + (4 * NARROW if dtype == torch.bfloat16 else 0)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("sums_to_one", [False, True])
@pytest.mark.parametrize("num_chosen", [1, 3, 18, 40])
def test_equals_go_by_their_index(level: str, num_chosen: int, sums_to_one: bool) -> None:
    """The router's scores are the first inputs, which take five values only; there are more experts than lanes."""
    made = mixture("float32", num_chosen, sums_to_one, torch.eye(HIDDEN)[:40])
    x_TD = torch.randint(-2, 3, (23, HIDDEN), generator=torch.Generator().manual_seed(0)).float()
    found_TD = BACKENDS[level, 2].experts(x_TD, made.experts)
    assert worst(found_TD, x_TD, made) < 1e-5


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("size", [1e-30, 1e3, 1e36])
def test_scores_of_any_size(level: str, size: float) -> None:
    made = mixture("float32", 3, True, numbers(9, HIDDEN, scale=size))
    x_TD = tokens(11)
    found_TD = BACKENDS[level, 1].experts(x_TD, made.experts)
    assert worst(found_TD, x_TD, made) < 1e-5


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
def test_a_token_that_is_not_finite_spoils_only_itself(level: str, bad: float) -> None:
    made, x_TD, ops = mixture("int8"), tokens(9), BACKENDS[level, 2]
    good_TD = ops.experts(x_TD, made.experts)
    x_TD[4, 63] = bad
    spoiled_TD = ops.experts(x_TD, made.experts)
    others = [row for row in range(9) if row != 4]
    assert torch.equal(spoiled_TD[others], good_TD[others])
    assert spoiled_TD[4].isnan().all()


@pytest.mark.parametrize("kind", [*FLOATS, *MIXED, *INTEGERS])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_token_has_the_same_bits_alone_and_in_every_crowd(kind: str, dtype: torch.dtype) -> None:
    """Alone at its experts, beside others there, at other places, and on more threads."""
    experts, x_TD = mixture(kind).experts, tokens(75, dtype)
    single, threaded = BACKENDS[levels()[0], 1], BACKENDS[levels()[0], 4]
    alone_TD = torch.cat([single.experts(x_D[None], experts) for x_D in x_TD])
    assert torch.equal(single.experts(x_TD, experts), alone_TD)
    assert torch.equal(threaded.experts(x_TD, experts), alone_TD)
    for seed in range(4):
        order_T = torch.randperm(75, generator=torch.Generator().manual_seed(seed))[: 75 - 17 * seed]
        assert torch.equal(threaded.experts(x_TD[order_T], experts), alone_TD[order_T])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_integers_have_the_same_bits_on_all_levels(dtype: torch.dtype) -> None:
    """With a router of integers, too."""
    made = mixture("int4-32")._replace(router=example("int8", numbers(NUM_EXPERTS, HIDDEN)))
    first, *others = (BACKENDS[level, 2].experts(tokens(33, dtype), made.experts) for level in levels())
    assert all(torch.equal(first, other) for other in others)


def test_a_crowd_at_one_expert_changes_no_bit_of_a_token() -> None:
    """So many rows that they are more than one tile of matrices."""
    experts, x_TD = mixture("int4-32", num_chosen=1).experts, tokens(2)
    expected_D = BEST.experts(x_TD[:1], experts)[0]
    for size in (7, 30, 150):
        crowd_TD = torch.cat((x_TD[1:].expand(size, -1), x_TD[:1]))
        assert torch.equal(BEST.experts(crowd_TD, experts)[-1], expected_D)


def test_experts_for_whose_rows_there_is_no_room_at_once_come_later() -> None:
    """68 MiB of rows."""
    hidden, inner, count = 2048, 16, 4
    gate_up, down = (
        [example("float32", each).packed for each in numbers(count, *shape, scale=0.1)]
        for shape in ((2 * inner, hidden), (hidden, inner))
    )
    experts = Experts(example("float32", numbers(count, hidden)).packed, gate_up, down, 2, True)
    x_TD = numbers(4350, hidden)
    found_TD = BEST.experts(x_TD, experts)
    for rows in (slice(0, 3), slice(4347, 4350)):
        assert torch.equal(BEST.experts(x_TD[rows], experts), found_TD[rows])


def test_no_tokens() -> None:
    assert BEST.experts(tokens(0), mixture("int8").experts).shape == (0, HIDDEN)


def test_experts_that_are_not_packed_are_torchs() -> None:
    made, x_TD = mixture("float32"), tokens(5)
    gate_up, down = (
        [Linear(each.weight_OI.float(), each.packed.bias_O) for each in examples]
        for examples in (made.gate_up, made.down)
    )
    plain = Experts(Linear(made.router.weight_OI.float()), gate_up, down, 2, True)
    assert torch.equal(CpuOps(1).experts(x_TD, plain), TorchOps(1).experts(x_TD, plain))
