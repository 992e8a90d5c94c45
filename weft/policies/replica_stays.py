"""Which replicas still hold what they were given: one that left and came back has forgotten all."""

from weft.contracts.routing import ReplicaJoined, ReplicaLeft


class ReplicaStays:
    """Numbers the time from a replica's joining to its leaving; no two of these have the same number."""

    def __init__(self) -> None:
        self._stays: dict[str, int] = {}
        self._num_stays = 0

    def on_change(self, event: ReplicaJoined | ReplicaLeft) -> None:
        """One begins to take requests, with nothing cached, or no more does."""
        self._stays.pop(event.replica, None)
        if isinstance(event, ReplicaJoined):
            self._begin(event.replica)

    def known(self, replica: str) -> int | None:
        """The number of its present stay; None where it has left, or nobody has told that it is there."""
        return self._stays.get(replica)

    def begun(self, replica: str) -> int:
        """The number of its present stay, which begins now where nobody has told of it."""
        stay = self._stays.get(replica)
        return self._begin(replica) if stay is None else stay

    def _begin(self, replica: str) -> int:
        self._num_stays += 1
        self._stays[replica] = self._num_stays
        return self._num_stays
