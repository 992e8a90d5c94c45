"""The replica that is likely to have most of the prompt cached."""

from collections.abc import Sequence

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaJoined, ReplicaLeft, ReplicaView, Routed, RouteEvent, RoutePolicy
from weft.contracts.state import DEFAULT_BLOCK_TOKENS
from weft.policies.load_bound import FREE_REQUESTS, LOAD_BOUND, LoadBound
from weft.policies.prompt_keys import PromptKeys
from weft.policies.replica_stays import ReplicaStays

LEAST_SHARE = 0.3
"""The default of SGLang's router (`cache_threshold`)."""
MOST_BLOCKS = 1 << 18
"""Of 16 tokens: four million tokens, in about 60 MB of the router's memory."""
HOLDERS = 4
"""Of a block: a prefix that many ask for spills over to as many replicas before the first is forgotten."""


class PrefixAffinity(RoutePolicy):
    """The replica that has computed the longest prefix of the prompt, as far as the router remembers, among those that
    have no more than their share to do (`LoadBound`); of several, the one with the fewest requests under way. Where no
    replica has `least_share` of the prompt, the one with the fewest requests under way of all.

    Cache-aware routing as of SGLang's router (Zheng et al., SGLang, NeurIPS 2024, section 3, has the distributed case),
    Mooncake (Qin et al., FAST 2025, section 6: the longest match unless the replica is too busy) and llm-d. What is
    cached is guessed from what was sent: for each block of `block_tokens`, chained from the beginning, the last 4
    replicas that computed it, of the `most_blocks` that were used last. What a replica has evicted meanwhile is not
    known, nor are outputs; one that left has nothing cached. Prompts of different tenants share nothing, as in the
    engine. Where a trace knows prompts by hashes, `block_tokens` must divide the tokens of a hash.
    """

    def __init__(
        self,
        block_tokens: int = DEFAULT_BLOCK_TOKENS,
        most_blocks: int = MOST_BLOCKS,
        least_share: float = LEAST_SHARE,
        load_bound: float = LOAD_BOUND,
        free_requests: int = FREE_REQUESTS,
    ) -> None:
        for name, number in (("block_tokens", block_tokens), ("most_blocks", most_blocks)):
            if number < 1:
                raise ConfigurationError(f"prefix_affinity: {name} is {number}; it must be at least 1")
        if not 0.0 <= least_share <= 1.0:
            raise ConfigurationError(f"prefix_affinity: least_share is {least_share}; it must be from 0 to 1")
        self._block_tokens, self._most_blocks, self._least_share = block_tokens, most_blocks, least_share
        self._bound = LoadBound("prefix_affinity", load_bound, free_requests)
        self._keys = PromptKeys(block_tokens)
        self._stays = ReplicaStays()
        self._holders: dict[bytes, tuple[int, ...]] = {}

    @property
    def num_blocks(self) -> int:
        """That it remembers."""
        return len(self._holders)

    def observe(self, event: RouteEvent) -> None:
        if isinstance(event, Routed):
            self._remember(self._keys.keys(event.request), self._stays.begun(event.replica))
        elif isinstance(event, ReplicaJoined | ReplicaLeft):
            self._stays.on_change(event)

    def _remember(self, keys: Sequence[bytes], stay: int) -> None:
        """The first blocks last, so that the ends of prefixes are forgotten before their beginnings."""
        holders = self._holders
        for key in reversed(keys):
            known = holders.pop(key, ())
            if not known or known[0] != stay:
                known = (stay, *(each for each in known if each != stay))[:HOLDERS]
            holders[key] = known
        while len(holders) > self._most_blocks:
            del holders[next(iter(holders))]

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        allowed = self._bound.within(replicas)
        holding, num_blocks = self._longest(self._keys.keys(request), replicas, allowed)
        enough = num_blocks * self._block_tokens >= self._least_share * request.prompt.num_tokens
        return min(
            holding if num_blocks and enough else allowed, key=lambda index: replicas[index].num_outstanding
        )

    def _longest(
        self, keys: Sequence[bytes], replicas: Sequence[ReplicaView], allowed: Sequence[int]
    ) -> tuple[list[int], int]:
        """Those of `allowed` that have the longest prefix, and its blocks."""
        stays = {self._stays.known(replicas[index].name): index for index in allowed}
        holding: list[int] = []
        for num_blocks, key in enumerate(keys):
            known = self._holders.get(key, ())
            still = [
                stays[stay] for stay in known if stay in stays and (not num_blocks or stays[stay] in holding)
            ]
            if not still:
                return holding, num_blocks
            holding = still
        return holding, len(keys)
