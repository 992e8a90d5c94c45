"""The less loaded of two replicas that chance picks."""

from collections.abc import Sequence

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaView, Routed, RouteEvent, RoutePolicy
from weft.policies.draws import draw_distinct


class PowerOfTwo(RoutePolicy):
    """Of `choices` replicas that chance picks, the one with the fewest requests under way (Mitzenmacher, The Power of
    Two Choices in Randomized Load Balancing, IEEE TPDS 2001): the longest queue of many grows with the logarithm of the
    logarithm of their number where that of one choice grows with nearly the logarithm, and no two routers with the same
    old books all send to the same replica. With one choice the replica is random.
    """

    def __init__(self, choices: int = 2, seed: int = 0) -> None:
        if choices < 1:
            raise ConfigurationError(f"power_of_two: choices is {choices}; it must be at least 1")
        self._choices, self._seed = choices, seed
        self._num_routed = 0

    def observe(self, event: RouteEvent) -> None:
        if type(event) is Routed:
            self._num_routed += 1

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        return least_of_some(replicas, self._choices, self._seed, self._num_routed)


def least_of_some(replicas: Sequence[ReplicaView], choices: int, seed: int, turn: int) -> int:
    """The index of the replica with the fewest requests under way of some that chance picks, the first drawn of
    several."""
    drawn = draw_distinct(seed, turn, choices, len(replicas))
    return min(drawn, key=lambda index: replicas[index].num_outstanding)
