"""What it costs to bring back the state of a sequence that gave way."""

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import EngineView, PreemptionMethod, SequenceView

SWAP_TOKENS_PER_BLOCK = 6.0
"""How many recomputed tokens cost as much as moving one block of 16 tokens out and in, for OPT-13B on an A100: 800 KB
of state per token (Kwon et al., SOSP 2023, section 3) over 25 GB/s of PCIe 4.0, both ways, against 26 GFLOP per token
at half of 312 TFLOP/s."""


class RestoreCost:
    """Compares computing a sequence's units anew with moving its blocks to host memory and back, in recomputed tokens.

    Raises `ConfigurationError` for a price of swapping that is not above 0.
    """

    def __init__(self, swap_tokens_per_block: float) -> None:
        if not swap_tokens_per_block > 0:
            raise ConfigurationError(
                f"swap_tokens_per_block is {swap_tokens_per_block}; it must be above 0 tokens"
            )
        self._swap_tokens_per_block = swap_tokens_per_block

    def method(self, view: EngineView, sequence: SequenceView) -> PreemptionMethod:
        """The cheaper one of those that can be."""
        swaps = view.can_swap(sequence) and self._swap_tokens(sequence) < sequence.num_computed
        return PreemptionMethod.SWAP if swaps else PreemptionMethod.RECOMPUTE

    def tokens(self, view: EngineView, sequence: SequenceView) -> float:
        """What the cheaper one costs."""
        recompute = float(sequence.num_computed)
        return min(recompute, self._swap_tokens(sequence)) if view.can_swap(sequence) else recompute

    def _swap_tokens(self, sequence: SequenceView) -> float:
        return sequence.num_blocks * self._swap_tokens_per_block
