"""The replica with the fewest tokens to work on."""

from collections.abc import Sequence

from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaView, RouteEvent, RoutePolicy


class LeastOutstandingTokens(RoutePolicy):
    """The replica whose requests under way have the fewest tokens, prompts and expected outputs together, the first of
    several: what joining the shortest queue means where requests differ in length."""

    def observe(self, event: RouteEvent) -> None:
        """The books say all that counts."""

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        tokens = [replica.outstanding_tokens for replica in replicas]
        return tokens.index(min(tokens))
