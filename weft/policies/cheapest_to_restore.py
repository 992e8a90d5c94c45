"""The sequence that is cheapest to bring back gives way."""

from collections.abc import Sequence

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import (
    EngineView,
    Preemption,
    PreemptionMethod,
    PreemptPolicy,
    SequenceView,
)


class CheapestToRestore(PreemptPolicy):
    """Compares, per candidate, computing its units anew with moving its blocks to host memory and back.

    `swap_tokens_per_block`: how many recomputed tokens cost as much as moving one block of 16 tokens out and
    in. The default is worked out for OPT-13B on an A100: 800 KB of state per token (Kwon et al., SOSP 2023,
    section 3) over 25 GB/s of PCIe 4.0, both ways, against 26 GFLOP per token at half of 312 TFLOP/s.

    The first in order of service gives way only where it is alone, so there is always progress.
    """

    def __init__(self, swap_tokens_per_block: float = 6.0) -> None:
        if not swap_tokens_per_block > 0:
            raise ConfigurationError(
                f"cheapest_to_restore: swap_tokens_per_block is {swap_tokens_per_block}; it must be above 0"
            )
        self._swap_tokens_per_block = swap_tokens_per_block

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        first = min(candidates, key=lambda sequence: (sequence.rank, sequence.number))
        choices = [sequence for sequence in candidates if sequence is not first] or [first]
        victim = min(
            choices, key=lambda s: (self._cost_tokens(view, s), [-part for part in s.rank], -s.number)
        )
        return Preemption(victim, self._method(view, victim))

    def _method(self, view: EngineView, sequence: SequenceView) -> PreemptionMethod:
        swaps = view.can_swap(sequence) and self._swap_cost_tokens(sequence) < sequence.num_computed
        return PreemptionMethod.SWAP if swaps else PreemptionMethod.RECOMPUTE

    def _swap_cost_tokens(self, sequence: SequenceView) -> float:
        return sequence.num_blocks * self._swap_tokens_per_block

    def _cost_tokens(self, view: EngineView, sequence: SequenceView) -> float:
        recompute = float(sequence.num_computed)
        return min(recompute, self._swap_cost_tokens(sequence)) if view.can_swap(sequence) else recompute
