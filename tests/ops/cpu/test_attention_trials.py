"""What is measured side by side computes the same."""

import pytest
import torch
from torch import Tensor

from weft.ops.cpu.attention_trials import Heads, kernel_attention, plain_attention


@pytest.mark.parametrize(("context_tokens", "new_tokens"), [(33, 33), (50, 1)])
def test_the_kernel_and_the_plain_formula_agree(context_tokens: int, new_tokens: int) -> None:
    shape = (Heads(4, 2, 8), context_tokens, new_tokens, torch.get_num_threads(), 0)
    found_TO, plain_HTE = kernel_attention(*shape)(), plain_attention(*shape, "float32")()
    assert isinstance(found_TO, Tensor)
    assert isinstance(plain_HTE, Tensor)
    expected_TO = plain_HTE.transpose(0, 1).flatten(1)
    torch.testing.assert_close(found_TO.float(), expected_TO, rtol=0.03, atol=0.03)
