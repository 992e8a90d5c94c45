"""Experts: the formula token by token, the same bits in every crowd, and no gradient lost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from weft.ops.backend import Ops
from weft.ops.experts import group_by_expert, route
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps
from weft.weights.experts import Experts
from weft.weights.linear import Linear

HIDDEN, INNER, NUM_EXPERTS = 33, 40, 7
SHAPES = [(1, False), (2, True), (3, False), (7, True)]
"""How many experts per token, and whether their weights sum to one."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def some_experts(num_chosen: int, sums_to_one: bool) -> Experts:
    generator = torch.Generator().manual_seed(num_chosen)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.3

    return Experts(
        Linear(numbers(NUM_EXPERTS, HIDDEN)),
        [Linear(each) for each in numbers(NUM_EXPERTS, 2 * INNER, HIDDEN)],
        [Linear(each) for each in numbers(NUM_EXPERTS, HIDDEN, INNER)],
        num_chosen,
        sums_to_one,
    )


def some_tokens(num_tokens: int) -> Tensor:
    return torch.randn(num_tokens, HIDDEN, generator=torch.Generator().manual_seed(1)) * 2


def by_definition(x_D: Tensor, experts: Experts) -> Tensor:
    """Of one token, in float64; every expert computed, those not chosen weighted with 0."""
    x_D = x_D.double()
    shares_N = (experts.router.weight_OI.double() @ x_D).softmax(-1)
    least = shares_N.sort(descending=True)[0][experts.num_chosen - 1]
    shares_N = shares_N.where(shares_N >= least, 0.0)
    if experts.sums_to_one:
        shares_N = shares_N / shares_N.sum()
    gate_NF, up_NF = (_joined(experts.gate_up).double() @ x_D).chunk(2, dim=-1)
    made_ND = torch.einsum("ndf,nf->nd", _joined(experts.down).double(), functional.silu(gate_NF) * up_NF)
    return shares_N @ made_ND


@pytest.mark.parametrize("ops", [TorchOps(1), ReferenceOps(1)], ids=["torch", "reference"])
@pytest.mark.parametrize(("num_chosen", "sums_to_one"), SHAPES)
def test_each_token_gets_what_the_definition_says(ops: Ops, num_chosen: int, sums_to_one: bool) -> None:
    experts, x_TD = some_experts(num_chosen, sums_to_one), some_tokens(37)
    expected_TD = torch.stack([by_definition(x_D, experts) for x_D in x_TD])
    torch.testing.assert_close(ops.experts(x_TD, experts).double(), expected_TD, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("num_chosen", "sums_to_one"), SHAPES)
def test_a_token_has_the_same_bits_alone_and_in_every_crowd(num_chosen: int, sums_to_one: bool) -> None:
    experts, x_TD = some_experts(num_chosen, sums_to_one), some_tokens(75)
    single, threaded = ReferenceOps(1), ReferenceOps(3)
    alone_TD = torch.cat([single.experts(x_D[None], experts) for x_D in x_TD])
    assert torch.equal(single.experts(x_TD, experts), alone_TD)
    assert torch.equal(threaded.experts(x_TD, experts), alone_TD)
    for seed in range(5):
        order_T = torch.randperm(75, generator=torch.Generator().manual_seed(seed))[: 75 - 13 * seed]
        assert torch.equal(single.experts(x_TD[order_T], experts), alone_TD[order_T])
    threaded.close()


def test_a_crowd_at_one_expert_changes_no_bit_of_a_token() -> None:
    """The number of rows beside a token's at its expert goes through several tiles."""
    experts, x_TD = some_experts(2, True), some_tokens(2)
    ops = ReferenceOps(1)
    (expected_TD, _), crowd_TD = (ops.experts(x_TD, experts)), x_TD[:1].expand(40, -1)
    for size in (1, 15, 16, 40):
        assert torch.equal(ops.experts(torch.cat((x_TD[1:], crowd_TD[:size])), experts)[-1], expected_TD)


def test_among_equal_scores_the_lower_index_is_chosen() -> None:
    routing = route(torch.tensor([[1.0, 2.0, 2.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0, 9.0]]), 3, True)
    assert routing.experts_TK.tolist() == [[0, 1, 2], [0, 1, 4]]
    torch.testing.assert_close(routing.weights_TK.sum(-1), torch.ones(2))


def test_rows_are_grouped_by_expert_and_found_again() -> None:
    experts_TK = torch.tensor([[1, 3], [0, 3], [1, 2]])
    groups = group_by_expert(experts_TK, 5)
    assert groups.sizes == [1, 2, 1, 2, 0]
    assert groups.tokens_R.tolist() == [1, 0, 2, 2, 0, 1]
    assert groups.places_TK.tolist() == [[1, 4], [0, 5], [2, 3]]


def test_weights_are_in_the_format_of_the_scores() -> None:
    assert route(torch.zeros(2, 4, dtype=torch.bfloat16), 2, True).weights_TK.dtype == torch.bfloat16


def test_gradients_are_those_of_the_definition() -> None:
    plain, x_TD = some_experts(2, True), some_tokens(9)
    ours, theirs = _trainable(plain), _trainable(plain)
    torch.autograd.backward(TorchOps(1).experts(x_TD, ours).square().sum())
    torch.autograd.backward(torch.stack([by_definition(x_D, theirs) for x_D in x_TD]).square().sum())
    pairs = list(zip(_linears(ours), _linears(theirs), strict=True))
    assert sum(own.weight_OI.grad is not None for own, _ in pairs) > 10
    for own, other in pairs:
        found, expected = own.weight_OI.grad, other.weight_OI.grad
        assert expected is not None
        torch.testing.assert_close(
            torch.zeros_like(expected) if found is None else found, expected, rtol=1e-3, atol=1e-3
        )


def _trainable(experts: Experts) -> Experts:
    router, *others = (Linear(each.weight_OI.clone().requires_grad_()) for each in _linears(experts))
    return replace(experts, router=router, gate_up=others[:NUM_EXPERTS], down=others[NUM_EXPERTS:])


def _linears(experts: Experts) -> list[Linear]:
    return [experts.router, *experts.gate_up, *experts.down]


def _joined(linears: Sequence[Linear]) -> Tensor:
    return torch.stack([linear.weight_OI for linear in linears])
