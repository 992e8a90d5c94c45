"""Ranking leaves no order open: by value falling, then by token id."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weft.executor.sampling.ranking import ranked, row_chunks

VALUES = st.sampled_from([-math.inf, -2.5, -1e-42, -0.0, 0.0, 1e-42, 1.0, 1.0000001, 3e38])


@given(st.lists(VALUES, min_size=1, max_size=30), st.data())
def test_ranking_is_a_stable_sort(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    row = torch.tensor(values)
    order = sorted(range(len(values)), key=lambda token: (-row[token].item(), token))
    highest_RK, tokens_RK = ranked(row[None], count)
    assert tokens_RK.tolist() == [order[:count]]
    assert torch.equal(highest_RK, row[tokens_RK])


@pytest.mark.parametrize("vocab_size", [1, 97, 5000])
def test_a_window_is_the_beginning_of_the_whole(vocab_size: int) -> None:
    values_RV = torch.randint(0, 50, (7, vocab_size), generator=torch.Generator().manual_seed(3)) / 7 - 3
    _, all_RV = ranked(values_RV, vocab_size)
    assert torch.equal(all_RV, values_RV.sort(dim=-1, descending=True, stable=True).indices)
    for count in (1, vocab_size // 2 + 1):
        assert torch.equal(ranked(values_RV, count)[1], all_RV[:, :count])


@pytest.mark.parametrize(("rows", "width"), [(0, 5), (1, 5), (40, 1 << 16), (3, 1 << 18)])
def test_chunks_cover_each_row_once(rows: int, width: int) -> None:
    x_RV = torch.arange(rows)[:, None].expand(rows, width)
    covered = [row for chunk in row_chunks(x_RV) for row in x_RV[chunk, 0].tolist()]
    assert covered == list(range(rows))
