"""The likeliest of a row's scores by the compiled kernels: the first of the highest, on every level."""

from math import inf, nan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.ops.cpu.layers import numbers
from tests.ops.cpu.test_attention import BACKENDS
from weft.ops.backend import LOST
from weft.ops.cpu.library import levels

WIDTHS = [1, 2, 15, 16, 17, 255, 256, 257, 1000, 32_001]


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_the_first_of_the_highest(level: str, width: int) -> None:
    """Scores in few different values, so that many are equal; more rows than one thread takes at once."""
    for seed in range(3):
        scores_TV = numbers(9, width, seed=seed).mul(2).round()
        assert BACKENDS[level, 2].likeliest(scores_TV).tolist() == np.argmax(scores_TV.numpy(), -1).tolist()


@pytest.mark.parametrize("level", levels())
def test_each_place_can_be_the_highest(level: str) -> None:
    scores_TV = torch.full((300, 300), -2.5)
    scores_TV.fill_diagonal_(-1.5)
    assert BACKENDS[level, 1].likeliest(scores_TV).tolist() == list(range(300))


ROWS = [
    ([0.0, -0.0, 0.0], 0),
    ([-0.0, 0.0], 0),
    ([-inf, -3.0, -inf], 1),
    ([-inf, -inf], LOST),
    ([1.0, inf, 2.0], LOST),
    ([1.0, nan, 2.0], LOST),
    ([nan, 1.0], LOST),
    ([1.0] * 270 + [nan], LOST),
    ([nan] + [1.0] * 270, LOST),
    ([inf] * 3, LOST),
    ([3.4e38, 1.0], 0),
]


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize(("row", "wanted"), ROWS)
def test_what_is_not_finite_is_no_choice(level: str, row: list[float], wanted: int) -> None:
    """Others beside it keep theirs; minus infinity is as good as any score that is not the highest."""
    scores_TV = torch.tensor([row, [0.0] * (len(row) - 1) + [1.0]])
    assert BACKENDS[level, 2].likeliest(scores_TV).tolist() == [wanted, len(row) - 1]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=600))
def test_any_finite_scores(row: list[float]) -> None:
    scores_TV: Tensor = torch.tensor([row], dtype=torch.float32)
    found = {BACKENDS[level, 1].likeliest(scores_TV).tolist()[0] for level in levels()}
    assert found == {int(np.argmax(scores_TV.numpy()[0]))}
