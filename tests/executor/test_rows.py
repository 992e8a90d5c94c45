"""Tables of rows: what a step says of them, in either form."""

import numpy as np
import pytest

from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import TableGrowth
from weft.executor.rows import RowTable

GROWTH = TableGrowth(1, [0, 2, 3], [0, 1, 3], [10, 11, 12])


def test_blocks_told_together_lie_where_those_told_one_by_one_do() -> None:
    together, alone = RowTable(4, 2, 4), RowTable(4, 2, 4)
    together.grow(GROWTH)
    for change in GROWTH.changes():
        alone.change(change)
    for mine, theirs in zip(together.tables_RM, alone.tables_RM, strict=True):
        assert np.array_equal(mine, theirs)


def test_a_block_beyond_the_longest_table_is_an_error() -> None:
    with pytest.raises(InvariantViolation, match="a row gets 4 blocks; there is room for 3"):
        RowTable(4, 2, 3).grow(GROWTH)
