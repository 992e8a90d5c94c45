"""Who has got least so far gives way."""

from collections.abc import Sequence

from weft.contracts.policies import EngineView, Preemption, PreemptPolicy, SequenceView
from weft.policies.cheapest_to_restore import all_but_first
from weft.policies.restore_cost import SWAP_TOKENS_PER_BLOCK, RestoreCost


class LeastProgress(PreemptPolicy):
    """The sequence with the fewest output tokens loses its blocks, so that what is nearly done is done; of equals, the
    one served last. How its state comes back is decided by cost.

    `swap_tokens_per_block`: how many recomputed tokens cost as much as moving one block out and in.

    The first in order of service gives way only where it is alone, so there is always progress.
    """

    def __init__(self, swap_tokens_per_block: float = SWAP_TOKENS_PER_BLOCK) -> None:
        self._cost = RestoreCost(swap_tokens_per_block)

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        victim = min(
            all_but_first(candidates),
            key=lambda s: (s.num_output_tokens, [-part for part in s.rank], -s.number),
        )
        return Preemption(victim, self._cost.method(view, victim))
