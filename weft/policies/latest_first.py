"""The latest arrival gives way."""

from collections.abc import Sequence

from weft.contracts.policies import (
    EngineView,
    Preemption,
    PreemptionMethod,
    PreemptPolicy,
    SequenceView,
)


class LatestFirst(PreemptPolicy):
    """The request served last loses its blocks and computes its state anew (vLLM's default: Kwon et al.,
    SOSP 2023, section 4.5). The first in order of service never gives way, so there is always progress."""

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        victim = max(candidates, key=lambda sequence: (sequence.rank, sequence.number))
        return Preemption(victim, PreemptionMethod.RECOMPUTE)
