"""Tables of rows: what a step says of them, in either form."""

import numpy as np
import pytest

from weft.contracts.errors import InvariantViolation
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.steps import Admission, TableChange, TableGrowth
from weft.executor.rows import Row, RowTable

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


def admitted(table: RowTable, number: int, *blocks: int) -> Row:
    made = Request(f"r{number}", TokenPrompt((1, 2)), SamplingParams())
    return table.admit(Admission(number, number, made, 0, (), 0, (blocks,)))


def test_selected_tables_are_those_of_now() -> None:
    """The same tensor as long as nothing changes; other rows, more blocks, a change and a growth each give another."""
    table = RowTable(4, 1, 4)
    first, second = admitted(table, 0, 5, 6), admitted(table, 2, 7, 8)
    (found,) = table.select_tables([first, second], 2)
    assert found.tolist() == [[5, 6], [7, 8]]
    assert table.select_tables([first, second], 2)[0] is found
    assert table.select_tables([second, first], 2)[0].tolist() == [[7, 8], [5, 6]]
    assert table.select_tables([first], 1)[0].tolist() == [[5]]
    table.change(TableChange(0, 0, 1, (9,)))
    assert table.select_tables([first], 2)[0].tolist() == [[5, 9]]
    table.grow(TableGrowth(0, [0], [1], [3]))
    assert table.select_tables([first], 2)[0].tolist() == [[5, 3]]
    table.remove(0)
    assert table.select_tables([admitted(table, 0, 1, 2)], 2)[0].tolist() == [[1, 2]]
    assert found.tolist() == [[5, 6], [7, 8]]
