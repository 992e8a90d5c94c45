"""Host blocks are lent to one sequence at a time and come back."""

import pytest

from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import HOLE
from weft.engine.host_tier import HostTier


def test_room_is_counted_per_group() -> None:
    tier = HostTier((2, 1))
    assert tier.has_room((2, 1))
    assert not tier.has_room((0, 2))
    tier.take([[7, 8], []])
    assert not tier.has_room((1, 0))
    assert tier.has_room((0, 1))


def test_a_table_keeps_its_shape_and_holes_take_no_block() -> None:
    tier = HostTier((2, 1))
    taken = tier.take([[HOLE, 5, HOLE, 6], [9]])
    assert [[block == HOLE for block in table] for table in taken] == [[True, False, True, False], [False]]
    tier.check([[block for block in taken[0] if block != HOLE], taken[1]])
    assert not tier.has_room((1, 0))
    tier.give_back(taken)
    assert tier.has_room((2, 1))
    tier.check([[], []])


@pytest.mark.parametrize("held", [[[], []], [[0, 0], []], [[0, 1], []]], ids=["leaked", "twice", "not lent"])
def test_a_check_finds_blocks_that_do_not_add_up(held: list[list[int]]) -> None:
    tier = HostTier((2, 1))
    assert tier.take([[4], []]) == [[0], []]
    tier.check([[0], []])
    with pytest.raises(InvariantViolation, match="host_blocks_conserved"):
        tier.check(held)
