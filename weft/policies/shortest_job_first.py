"""The shortest expected output first."""

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import EngineView, Rank, SequenceView
from weft.policies.length_prediction import LearningOrder, LengthSource


class ShortestJobFirst(LearningOrder):
    """Of those that wait, who is expected to emit the fewest tokens runs next; nobody who runs gives way for that (by
    expected lengths as in Fu et al., Efficient LLM Scheduling by Learning to Rank, NeurIPS 2024, section 4).

    `ageing_tokens_per_s`: a second of waiting is worth so many tokens, so nobody waits for ever; 0: no bound. All age
    alike, so the order of two that wait stays as it was when the later came.
    """

    def __init__(self, ageing_tokens_per_s: float = 10.0, lengths: LengthSource | None = None) -> None:
        super().__init__(lengths)
        if not ageing_tokens_per_s >= 0:
            raise ConfigurationError(
                f"{type(self).__name__}: ageing_tokens_per_s is {ageing_tokens_per_s}; it must be 0 or more"
            )
        self._ageing_tokens_per_s = ageing_tokens_per_s

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (self.lengths.remaining(sequence) + self._ageing_tokens_per_s * sequence.arrival_s,)
