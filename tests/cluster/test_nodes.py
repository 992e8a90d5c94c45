"""Nodes as data."""

import pytest

from weft.cluster.nodes import Node
from weft.contracts.errors import ConfigurationError


def test_a_node_is_available_at_first() -> None:
    assert Node("a").is_available


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_a_price_that_cannot_be_is_refused(price: float) -> None:
    with pytest.raises(ConfigurationError, match="node 'a': price_per_hour is"):
        Node("a", price_per_hour=price)


def test_a_node_without_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no name"):
        Node("")
