"""Tenants share the cache equally."""

from collections import OrderedDict
from collections.abc import Sequence
from heapq import heapify, heapreplace
from itertools import islice
from typing import ClassVar

from weft.contracts.policies import BlocksCached
from weft.policies.block_listener import BlockListener


class TenantQuota(BlockListener):
    """Each tenant's quota is an equal share of what is cached and idle; what one does not use is lent to the others. So
    the tenant that has most gives up blocks first, its least recently used ones (max-min fairness: Bertsekas and
    Gallager, Data Networks, section 6.5.2). A block belongs to the tenant that cached it."""

    observes: ClassVar[tuple[type, ...]] = (BlocksCached,)

    def __init__(self) -> None:
        self._idle_of: dict[str, OrderedDict[int, None]] = {}
        self._tenant_of: dict[int, str] = {}

    def cached(self, event: BlocksCached) -> None:
        self._tenant_of.update(dict.fromkeys(event.blocks, event.request.tenant))

    def idled(self, blocks: Sequence[int]) -> None:
        for block in blocks:
            self._idle_of.setdefault(self._tenant_of[block], OrderedDict())[block] = None

    def reused(self, block: int) -> None:
        tenant = self._tenant_of[block]
        blocks = self._idle_of[tenant]
        del blocks[block]
        if not blocks:
            del self._idle_of[tenant]

    def evicted(self, block: int) -> None:
        self.reused(block)
        del self._tenant_of[block]

    def decide(self, count: int) -> Sequence[int]:
        taken = self._shares(count)
        return [block for tenant, share in taken.items() for block in islice(self._idle_of[tenant], share)]

    def _shares(self, count: int) -> dict[str, int]:
        """How many each tenant gives up: one by one, always who has most left; of equals by name."""
        left = [(-len(blocks), tenant) for tenant, blocks in self._idle_of.items()]
        heapify(left)
        taken: dict[str, int] = {}
        for _ in range(count):
            if not left or not left[0][0]:
                break
            negative, tenant = left[0]
            heapreplace(left, (negative + 1, tenant))
            taken[tenant] = taken.get(tenant, 0) + 1
        return taken
