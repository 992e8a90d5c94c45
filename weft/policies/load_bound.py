"""How much more than the mean a replica may have to do before requests go elsewhere."""

from collections.abc import Sequence
from math import ceil, inf

from weft.contracts.errors import ConfigurationError
from weft.contracts.routing import ReplicaView

LOAD_BOUND = 1.25
"""Of the mean. Ours: a replica that is a quarter ahead decodes hardly slower than the mean one."""
FREE_REQUESTS = 8
"""A step that decodes so few sequences reads the weights like that of a single one, and takes little longer. Ours."""


class LoadBound:
    """No replica takes a request that would give it more than `load_bound` times the mean number under way, rounded up
    (Mirrokni, Thorup and Zadimoghaddam, Consistent Hashing with Bounded Loads, SODA 2018; their 1 + epsilon), unless it
    has no more than `free_requests` then. Some replica always may. Raises `ConfigurationError` for a bound below 1.
    """

    def __init__(self, policy: str, load_bound: float, free_requests: int) -> None:
        if not 1.0 <= load_bound < inf:
            raise ConfigurationError(
                f"{policy}: load_bound is {load_bound}; it must be 1 or more, and finite"
            )
        if free_requests < 0:
            raise ConfigurationError(f"{policy}: free_requests is {free_requests}; it must be 0 or more")
        self._load_bound, self._free_requests = load_bound, free_requests

    def most(self, counts: Sequence[int]) -> int:
        """Requests that a replica may have, the next one included; `counts`: those that they have."""
        return max(self._free_requests, ceil(self._load_bound * (sum(counts) + 1) / len(counts)))

    def within(self, replicas: Sequence[ReplicaView]) -> list[int]:
        """The indices of those that may take one more."""
        counts = [replica.num_outstanding for replica in replicas]
        most = self.most(counts)
        return [index for index, count in enumerate(counts) if count < most]
