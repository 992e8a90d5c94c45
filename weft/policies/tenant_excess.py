"""The tenant that holds most gives way."""

from collections.abc import Sequence

from weft.contracts.policies import EngineView, Preemption, PreemptPolicy, SequenceView
from weft.policies.cheapest_to_restore import all_but_first
from weft.policies.restore_cost import SWAP_TOKENS_PER_BLOCK, RestoreCost


class TenantExcess(PreemptPolicy):
    """Of the tenant whose running sequences hold the most blocks, the one served last gives way: an equal share is
    everybody's, and who exceeds it most pays (as `tenant_quota` of idle blocks). How its state comes back is decided by
    cost.

    `swap_tokens_per_block`: how many recomputed tokens cost as much as moving one block out and in.

    The first in order of service gives way only where it is alone, so there is always progress.
    """

    def __init__(self, swap_tokens_per_block: float = SWAP_TOKENS_PER_BLOCK) -> None:
        self._cost = RestoreCost(swap_tokens_per_block)

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        held: dict[str, int] = {}
        for sequence in view.running:
            tenant = sequence.request.tenant
            held[tenant] = held.get(tenant, 0) + sequence.num_blocks
        victim = max(
            all_but_first(candidates), key=lambda s: (held.get(s.request.tenant, 0), s.rank, s.number)
        )
        return Preemption(victim, self._cost.method(view, victim))
