"""Who has got least so far gives way."""

from weft.contracts.policies import EngineView
from weft.policies.by_restore_cost import ByRestoreCost, Worth


class LeastProgress(ByRestoreCost):
    """The sequence with the fewest output tokens loses its blocks, so that what is nearly done is done."""

    def worth(self, view: EngineView) -> Worth:
        return lambda sequence: sequence.num_output_tokens
