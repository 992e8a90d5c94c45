"""The sequence that is cheapest to bring back gives way."""

from collections.abc import Sequence

from weft.contracts.policies import EngineView, Preemption, PreemptPolicy, SequenceView
from weft.policies.restore_cost import SWAP_TOKENS_PER_BLOCK, RestoreCost


class CheapestToRestore(PreemptPolicy):
    """Compares, per candidate, computing its units anew with moving its blocks to host memory and back.

    `swap_tokens_per_block`: how many recomputed tokens cost as much as moving one block out and in.

    The first in order of service gives way only where it is alone, so there is always progress.
    """

    def __init__(self, swap_tokens_per_block: float = SWAP_TOKENS_PER_BLOCK) -> None:
        self._cost = RestoreCost(swap_tokens_per_block)

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        victim = min(
            all_but_first(candidates),
            key=lambda s: (self._cost.tokens(view, s), [-part for part in s.rank], -s.number),
        )
        return Preemption(victim, self._cost.method(view, victim))


def all_but_first(candidates: Sequence[SequenceView]) -> Sequence[SequenceView]:
    """Those who may give way while the first in order of service goes on; that one where it is alone."""
    first = min(candidates, key=lambda sequence: (sequence.rank, sequence.number))
    return [sequence for sequence in candidates if sequence is not first] or [first]
