"""Every operation of the reference backend gives a row the same bits, wherever it is and whoever is with it."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from weft.contracts.errors import InvariantViolation
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps
from weft.weights.linear import Linear

WIDTHS = (8, 33, 64, 171, 172, 344, 1000)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def operations(ops: TorchOps, width: int) -> dict[str, Callable[[Tensor], Tensor]]:
    generator = torch.Generator().manual_seed(width)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    plain, biased = Linear(numbers(530, width)), Linear(numbers(2 * 57, width), numbers(2 * 57))
    narrow = Linear(numbers(7, width))
    weight, other = numbers(width), numbers(1, width)
    return {
        "rms_norm": lambda x: ops.rms_norm(x, weight, 1e-6),
        "add_rms_norm": lambda x: ops.add_rms_norm(x, other.expand_as(x), weight, 1e-6)[1],
        "linear": lambda x: ops.linear(x, plain),
        "narrow linear": lambda x: ops.linear(x, narrow),
        "linear with bias": lambda x: ops.linear(x, biased),
        "gated_linear": lambda x: ops.gated_linear(x, biased),
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", operations(TorchOps(1), 8))
def test_a_row_has_the_same_bits_alone_and_in_every_place(name: str, width: int) -> None:
    x = torch.randn(37, width, generator=torch.Generator().manual_seed(1)) * 3
    single, threaded = ReferenceOps(1), ReferenceOps(3)
    apply = operations(single, width)[name]
    expected = torch.cat([apply(row[None]) for row in x])
    assert torch.equal(apply(x), expected)
    assert torch.equal(operations(threaded, width)[name](x), expected)
    for shift in (1, 5, 16):
        assert torch.equal(torch.roll(apply(torch.roll(x, shift, 0)), -shift, 0), expected)
    threaded.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", operations(TorchOps(1), 8))
def test_it_computes_what_plain_torch_computes(name: str, width: int) -> None:
    x = torch.randn(37, width, generator=torch.Generator().manual_seed(2))
    found = operations(ReferenceOps(1), width)[name](x)
    torch.testing.assert_close(found, operations(TorchOps(1), width)[name](x), rtol=1e-4, atol=1e-4)


def test_a_thread_that_was_not_bound_is_refused() -> None:
    torch.set_num_threads(2)
    with pytest.raises(InvariantViolation, match="one_thread_per_tile"):
        ReferenceOps(1).linear(torch.ones(1, 4), Linear(torch.ones(4, 4)))
