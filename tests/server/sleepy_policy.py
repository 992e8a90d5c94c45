"""An order policy for tests that sleeps at the second request it is asked about, in a server of its own."""

import time

from weft.contracts.events import Event
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView


class SleepyOrder(OrderPolicy):
    """First come, first served, but for that."""

    def __init__(self) -> None:
        self.num_asked = 0

    def observe(self, event: Event) -> None:
        """Hears nothing."""

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        self.num_asked += 1
        if self.num_asked == 2:
            time.sleep(1e6)
        return (sequence.arrival_s,)
