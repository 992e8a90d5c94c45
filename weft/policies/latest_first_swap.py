"""The latest arrival gives way, by swap where host memory has room."""

from collections.abc import Sequence

from weft.contracts.policies import EngineView, Preemption, PreemptionMethod, SequenceView
from weft.policies.latest_first import LatestFirst


class LatestFirstSwap(LatestFirst):
    """As `LatestFirst`, but the victim's state waits in host memory (swapping: Kwon et al., SOSP 2023,
    section 4.5)."""

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        victim, method = super().decide(view, candidates, now_s)
        return Preemption(victim, PreemptionMethod.SWAP if view.can_swap(victim) else method)
