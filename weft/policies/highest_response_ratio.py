"""Who has waited longest for what it asks."""

from typing import ClassVar

from weft.contracts.events import Event, StepRecord
from weft.contracts.policies import EngineView, Rank, SequenceView
from weft.policies.length_prediction import LearningOrder, LengthSource
from weft.policies.periodic import Moments


class HighestResponseRatio(LearningOrder):
    """The next request is the one with the highest ratio of response to service time, 1 + waiting / service (Brinch
    Hansen, Operating System Principles, 1973, section 5.3.4): short outputs first, but all come up with time, since a
    ratio grows without bound. Service is the expected output, in tokens; in which unit does not change the order.
    """

    observes: ClassVar[tuple[type, ...]] = (*LearningOrder.observes, StepRecord)

    def __init__(self, lengths: LengthSource | None = None) -> None:
        super().__init__(lengths)
        self._moments = Moments()
        self.rerank = self._moments.due

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (-(now_s - sequence.arrival_s) / self.lengths.remaining(sequence), sequence.arrival_s)

    def observe(self, event: Event) -> None:
        if isinstance(event, StepRecord):
            self._moments.step_ended(event.time_s)
            self.rerank = self._moments.due
        else:
            super().observe(event)
