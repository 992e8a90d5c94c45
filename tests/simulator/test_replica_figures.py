"""Figures of one simulated replica: gaps between tokens, counted together where nobody could tell them apart."""

from itertools import accumulate, pairwise

import pytest

from weft.simulator.replica_figures import ALIKE, TokenGaps


def taken(gaps_s: list[float], count: int = 1) -> list[tuple[float, int]]:
    """What is counted of tokens with these gaps between them, of so many sequences."""
    gaps = TokenGaps()
    gaps.observe_gaps([0.0, *accumulate(gaps_s)], count)
    return gaps.take()


def test_gaps_that_grow_are_counted_in_few_parts_each_of_them_alike() -> None:
    gaps_s = [0.005 * (1.0 + 1e-4 * step) for step in range(400)]
    told = taken(gaps_s, count=3)
    assert len(told) < 40
    each = [gap_s for gap_s, count in told for _ in range(count // 3)]
    assert len(each) == len(gaps_s)
    assert max(abs(gap_s / true_s - 1.0) for gap_s, true_s in zip(each, gaps_s, strict=True)) < ALIKE
    assert all(earlier < later for earlier, later in pairwise(gap_s for gap_s, _ in told))


def test_gaps_that_are_alike_are_counted_once_and_others_one_by_one() -> None:
    ((gap_s, count),) = taken([0.01] * 50)
    assert gap_s == pytest.approx(0.01)
    assert count == 50
    told = taken([0.01, 0.02, 0.03])
    assert [count for _, count in told] == [1, 1, 1]
    assert [gap_s for gap_s, _ in told] == pytest.approx([0.01, 0.02, 0.03])
