"""Experts by the kernels: near to what torch makes of them, and a token's bits the same in every crowd."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.torch_ops import TorchOps
from weft.weights.experts import Experts
from weft.weights.linear import Linear
from weft.weights.packing import pack

HIDDEN, INNER, NUM_EXPERTS = 64, 48, 7


def plain_experts(num_chosen: int, dtype: torch.dtype) -> Experts:
    stream = torch.Generator().manual_seed(num_chosen)

    def linear(outputs: int, inputs: int) -> Linear:
        return Linear((torch.randn(outputs, inputs, generator=stream) * 0.3).to(dtype))

    return Experts(
        linear(NUM_EXPERTS, HIDDEN),
        [linear(2 * INNER, HIDDEN) for _ in range(NUM_EXPERTS)],
        [linear(HIDDEN, INNER) for _ in range(NUM_EXPERTS)],
        num_chosen,
        num_chosen > 1,
    )


def packed(experts: Experts, kind: str) -> Experts:
    def each(linears: Sequence[Linear], kind: str) -> list[Linear]:
        return [pack(linear.weight_OI, None, kind) for linear in linears]

    (router,) = each([experts.router], "none")
    gate_up, down = each(experts.gate_up, kind), each(experts.down, kind)
    return Experts(router, gate_up, down, experts.num_chosen, experts.sums_to_one)


def some_tokens(number: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(number, HIDDEN, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize("num_chosen", [1, 2, 7])
def test_floats_give_what_torch_gives(num_chosen: int) -> None:
    plain, x_TD = plain_experts(num_chosen, torch.float32), some_tokens(37, torch.float32)
    found_TD = CpuOps(2).experts(x_TD, packed(plain, "none"))
    torch.testing.assert_close(found_TD, TorchOps(1).experts(x_TD, plain), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "most"), [("int8", 0.03), ("int8-a16", 0.02), ("int4", 0.2), ("int4-a16", 0.2)]
)
def test_integers_come_near(kind: str, most: float) -> None:
    plain, x_TD = plain_experts(2, torch.float32), some_tokens(37, torch.float32)
    expected_TD = TorchOps(1).experts(x_TD, plain)
    error_TD = CpuOps(1).experts(x_TD, packed(plain, kind)) - expected_TD
    assert error_TD.norm() < most * expected_TD.norm()


@pytest.mark.parametrize("kind", ["none", "int8", "int4", "int8-a16", "int4-a16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_token_has_the_same_bits_alone_and_in_every_crowd(kind: str, dtype: torch.dtype) -> None:
    """Alone at its experts, beside others there, at other places, and on more threads."""
    experts, x_TD = packed(plain_experts(2, dtype), kind), some_tokens(75, dtype)
    single, threaded = CpuOps(1), CpuOps(2)
    alone_TD = torch.cat([single.experts(x_D[None], experts) for x_D in x_TD])
    assert torch.equal(single.experts(x_TD, experts), alone_TD)
    assert torch.equal(threaded.experts(x_TD, experts), alone_TD)
    for seed in range(4):
        order_T = torch.randperm(75, generator=torch.Generator().manual_seed(seed))[: 75 - 17 * seed]
        assert torch.equal(threaded.experts(x_TD[order_T], experts), alone_TD[order_T])
