"""What preempt policies have in common whose victims come back by the cheaper way."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from weft.contracts.policies import EngineView, Preemption, PreemptPolicy, SequenceView
from weft.policies.restore_cost import SWAP_TOKENS_PER_BLOCK, RestoreCost

Worth = Callable[[SequenceView], float]


class ByRestoreCost(PreemptPolicy):
    """The first in order of service gives way only where it is alone, so there is always progress; of the others
    the one worth least. How its state comes back is decided by cost.

    `swap_tokens_per_block`: how many recomputed tokens cost as much as moving one block out and in.
    """

    def __init__(self, swap_tokens_per_block: float = SWAP_TOKENS_PER_BLOCK) -> None:
        self.cost = RestoreCost(swap_tokens_per_block)

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        first = min(candidates, key=lambda sequence: (sequence.rank, sequence.number))
        others = [sequence for sequence in candidates if sequence is not first] or [first]
        worth = self.worth(view)
        victim = min(others, key=lambda s: (worth(s), [-part for part in s.rank], -s.number))
        return Preemption(victim, self.cost.method(view, victim))

    @abstractmethod
    def worth(self, view: EngineView) -> Worth:
        """What it is worth to keep each one that runs; of equals, the one served last gives way."""
