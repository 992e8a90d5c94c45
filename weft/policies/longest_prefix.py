"""Who finds most of its prompt in the cache runs first."""

from typing import ClassVar

from weft.contracts.events import Event, RequestEnded, StepRecord
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView

MOST_COMPARED = 128
"""With more than so many waiting they run by arrival, since each must be looked up (the bound of SGLang's own)."""


class LongestPrefix(OrderPolicy):
    """Longest cached prefix first, so that what is cached is used before it is forgotten (Zheng et al., SGLang, NeurIPS
    2024, section 3). It promises nothing to those that share no prefix: while others come that do, they wait."""

    observes: ClassVar[tuple[type, ...]] = (StepRecord, RequestEnded)

    def __init__(self) -> None:
        self.revision = 0

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        cached = view.num_cached(sequence) if view.num_waiting <= MOST_COMPARED else 0
        return (-cached, sequence.arrival_s)

    def observe(self, event: Event) -> None:
        """What is cached changes where a prompt was computed and where an output ends."""
        if not isinstance(event, StepRecord) or event.explicit:
            self.revision += 1
