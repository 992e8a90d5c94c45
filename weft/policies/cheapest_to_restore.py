"""The sequence that is cheapest to bring back gives way."""

from weft.contracts.policies import EngineView
from weft.policies.by_restore_cost import ByRestoreCost, Worth


class CheapestToRestore(ByRestoreCost):
    """Compares, per candidate, computing its units anew with moving its blocks to host memory and back."""

    def worth(self, view: EngineView) -> Worth:
        return lambda sequence: self.cost.tokens(view, sequence)
