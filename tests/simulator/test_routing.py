"""Routers choose as they say."""

from dataclasses import dataclass

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.simulator.routing import make_router

REQUEST = Request("a", LengthPrompt(1))


@dataclass
class Replica:
    num_outstanding: int


def choices(name: str, *outstanding: int) -> list[int]:
    router, replicas = make_router(name), [Replica(count) for count in outstanding]
    return [router.choose(REQUEST, replicas) for _ in range(4)]


def test_round_robin_goes_round() -> None:
    assert choices("round_robin", 5, 0, 0) == [0, 1, 2, 0]


def test_least_outstanding_takes_the_first_of_those_with_the_fewest() -> None:
    assert choices("least_outstanding", 2, 1, 1) == [1, 1, 1, 1]


def test_an_unknown_router_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'round_robin'"):
        make_router("round-robin")
