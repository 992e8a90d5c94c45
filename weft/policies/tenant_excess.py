"""The tenant that holds most gives way."""

from weft.contracts.policies import EngineView
from weft.policies.by_restore_cost import ByRestoreCost, Worth


class TenantExcess(ByRestoreCost):
    """Of the tenant whose running sequences hold the most blocks, the one served last gives way: an equal share is
    everybody's, and who exceeds it most pays (as `tenant_quota` of idle blocks)."""

    def worth(self, view: EngineView) -> Worth:
        held: dict[str, int] = {}
        for sequence in view.running:
            tenant = sequence.request.tenant
            held[tenant] = held.get(tenant, 0) + sequence.num_blocks
        return lambda sequence: -held.get(sequence.request.tenant, 0)
