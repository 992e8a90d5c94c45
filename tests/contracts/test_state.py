"""Layouts of state that cannot work are refused by name."""

import re

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.state import ConstantGroup, EncoderGroup, PagedGroup, StateGroup, StateLayout


@pytest.mark.parametrize(
    ("groups", "block_tokens", "message"),
    [
        ((PagedGroup("kv", 1),), 0, "block_tokens is 0; it must be at least 1"),
        ((), 16, "state groups []: name at least one, and each differently"),
        (
            (PagedGroup("kv", 1), EncoderGroup("kv", 1)),
            16,
            "state groups ['kv', 'kv']: name at least one, and each differently",
        ),
        ((PagedGroup("kv", 1, window_tokens=0),), 16, "group 'kv': window_tokens is 0, below 1"),
        ((ConstantGroup("s", 1, snapshot_blocks=0),), 16, "group 's': snapshot_blocks is 0, below 1"),
    ],
)
def test_a_layout_that_cannot_work_is_refused(
    groups: tuple[StateGroup, ...], block_tokens: int, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        StateLayout(groups, block_tokens)


def test_the_smallest_window_interval_and_block_are_allowed() -> None:
    layout = StateLayout((PagedGroup("kv", 1, window_tokens=1), ConstantGroup("s", 1)), block_tokens=1)
    assert [group.name for group in layout.groups] == ["kv", "s"]
