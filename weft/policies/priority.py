"""Priority with ageing: urgent requests first, but nobody waits for ever."""

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView


class Priority(OrderPolicy):
    """The smaller `Request.priority`, the sooner; waiting `ageing_s` seconds is worth one level.

    Ageing (the classic remedy for starvation; Silberschatz et al., Operating System Concepts, section 5.3.4)
    lowers every waiting request's priority at the same pace, so the order of two requests never changes
    while they wait: `priority + arrival / ageing` ranks them once and for all.
    """

    def __init__(self, ageing_s: float = 60.0) -> None:
        if not ageing_s > 0:
            raise ConfigurationError(f"priority: ageing_s is {ageing_s}; it must be above 0 seconds")
        self._ageing_s = ageing_s

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (sequence.request.priority + sequence.arrival_s / self._ageing_s,)
