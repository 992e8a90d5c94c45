"""The replica where a tenant's turn comes soonest, if each replica is fair among tenants."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaView, Routed, RouteEvent, RoutePolicy, Unrouted
from weft.policies.virtual_token_counter import INPUT_WEIGHT, OUTPUT_WEIGHT


class _Work(NamedTuple):
    """A request under way: where, whose, and what it is taken to cost, in weighted tokens."""

    replica: str
    tenant: str
    cost: int


class SoonestTurn(RoutePolicy):
    """The virtual token counter (Sheng et al., Fairness in Serving Large Language Models, OSDI 2024) for many replicas.
    Each engine with the order `vtc` shares itself equally among the tenants whose requests wait there. That adds up to
    equal shares of all replicas only where every busy tenant has work at each of them; this policy spreads it so. A
    request goes where fair sharing would come to its end soonest: before it come this tenant's own requests there, and
    of each other tenant's at most as much, for then it is this one's turn. So a tenant that floods every replica
    queues behind itself, and one with little to do goes where the fewest others are busy, however long their queues.
    Equal waits go to the replica with fewer tokens to work on.

    Work is counted as the paper's service: a prompt's token 1, an output's 2, for outputs of the mean length so far.
    `weights`: of tenants, as for the order; one of weight 2 waits behind half as much of the others'.

    Not promised: the bound of the paper on the difference in service (theorem 4.4) holds on each replica, not over all;
    there is no counter over all that a tenant would be charged for. With engines that serve by arrival it only spreads
    each tenant's requests.
    """

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        self._weights = weights or {}
        for tenant, weight in self._weights.items():
            if not 0 < weight < inf:
                raise ConfigurationError(
                    f"vtc: the weight of tenant {tenant!r} is {weight}; it must be above 0 and finite"
                )
        self._work: dict[str, _Work] = {}
        self._backlogs: dict[str, dict[str, int]] = {}
        self._output_tokens = self._num_ended = 0

    def observe(self, event: RouteEvent) -> None:
        if isinstance(event, Routed):
            self._drop(event.request)
            work = _Work(event.replica, event.request.tenant, self._cost(event.request))
            self._work[event.request.request_id] = work
            tenants = self._backlogs.setdefault(work.replica, {})
            tenants[work.tenant] = tenants.get(work.tenant, 0) + work.cost
        elif isinstance(event, Unrouted):
            self._drop(event.request)
            if event.status is Status.FINISHED:
                self._output_tokens += event.output_tokens
                self._num_ended += 1

    def _drop(self, request: Request) -> None:
        work = self._work.pop(request.request_id, None)
        if work is not None:
            tenants = self._backlogs[work.replica]
            tenants[work.tenant] -= work.cost
            if not tenants[work.tenant]:
                del tenants[work.tenant]

    def _cost(self, request: Request) -> int:
        output_tokens = self._output_tokens / self._num_ended if self._num_ended else 0.0
        return INPUT_WEIGHT * request.prompt.num_tokens + round(OUTPUT_WEIGHT * output_tokens)

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        cost = self._cost(request)
        waits = [(self._wait(request.tenant, cost, each.name), each.outstanding_tokens) for each in replicas]
        return waits.index(min(waits))

    def _wait(self, tenant: str, cost: int, replica: str) -> float:
        """Weighted tokens that fair sharing serves up to the end of a request that comes now."""
        backlogs, weights = self._backlogs.get(replica, {}), self._weights
        weight = weights.get(tenant, 1.0)
        turn = (backlogs.get(tenant, 0) + cost) / weight
        wait = turn * weight
        for other, backlog in backlogs.items():
            if other != tenant:
                wait += min(float(backlog), turn * weights.get(other, 1.0))
        return wait
