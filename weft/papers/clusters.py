"""Several replicas behind a router, for cards: some of them slow for a while, or for good."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from weft.simulator.deployment import Deployment
from weft.simulator.simulated_replica import SimulatedReplica
from weft.simulator.virtual_time import running_agenda
from weft.workloads.streams import named_stream


def replicated(deployment: Deployment, replicas: int, router: str) -> Deployment:
    """So many of what is one replica, behind a routing policy."""
    return replace(deployment, options=replace(deployment.options, replicas=replicas, router=router))


class Slowdowns(NamedTuple):
    """Replicas that take `factor` times as long for `share` of the time, each at times of its own: phases are
    exponential, slow ones of mean `slow_s`. With a `slow_s` of 0 the first `share` of them is slow for good."""

    factor: float
    share: float
    slow_s: float

    @property
    def mean_speed(self) -> float:
        """Of a replica, by that of one that is never slow."""
        return 1.0 - self.share + self.share / self.factor

    def begin(self, replicas: Sequence[SimulatedReplica], seed: int) -> None:
        """Set the timers; phases follow from the seed and the place of a replica alone."""
        if self.slow_s:
            for index, replica in enumerate(replicas):
                _Antagonist(self, replica, seed, index).begin()
        else:
            for replica in replicas[: round(self.share * len(replicas))]:
                replica.driver.slow_down(self.factor)


class _Antagonist:
    """What slows a replica down by turns."""

    def __init__(self, slowdowns: Slowdowns, replica: SimulatedReplica, seed: int, index: int) -> None:
        self._slowdowns, self._replica = slowdowns, replica
        self._random = named_stream(seed, f"antagonist {index}")
        self._agenda = running_agenda()

    def begin(self) -> None:
        """As if it had been there for long."""
        self._enter(self._random.random() < self._slowdowns.share)

    def _enter(self, is_slow: bool) -> None:
        factor, share, slow_s = self._slowdowns
        self._replica.driver.slow_down(factor if is_slow else 1.0)
        mean_s = slow_s if is_slow else slow_s * (1.0 - share) / share
        end_s = self._agenda.now_s + self._random.expovariate(1.0 / mean_s)
        self._agenda.call_at(end_s, self._enter, (not is_slow,))
