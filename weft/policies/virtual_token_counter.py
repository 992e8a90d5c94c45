"""Tenants that wait get equal service, however much each asks for: the virtual token counter."""

from math import inf
from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import (
    ENDS,
    DraftVerified,
    Event,
    RequestArrived,
    RequestEnded,
    Status,
    StepRecord,
    Transition,
)
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView

INPUT_WEIGHT, OUTPUT_WEIGHT = 1, 2
"""What a token of a prompt and one of an output cost: the paper's choice (section 5.1), by prices of its day."""
MOST_TENANTS = 4096
"""Remembered while that can be: beyond, those are forgotten who would be lifted above their counter anyway."""


class Account:
    """What a tenant has been given, divided by its weight. `charged`: all but the prompts of its requests, which count
    one after the other as they arrived, those that wait too; `prompts`: the sum of these. `waiting`: requests that
    never ran, by id."""

    __slots__ = ("charged", "num_live", "num_standing", "prompts", "tenant", "waiting", "weight")

    def __init__(self, tenant: str, weight: float) -> None:
        self.tenant, self.weight = tenant, weight
        self.charged = self.prompts = 0.0
        self.num_live = self.num_standing = 0
        self.waiting: dict[str, Entry] = {}

    @property
    def counter(self) -> float:
        """The paper's: the prompts of those that wait do not count yet."""
        return self.charged + next((each.before for each in self.waiting.values()), self.prompts)

    def drop(self, request_id: str) -> bool:
        """A request that waits will not be served: those after it move up. Whether there were any."""
        if (dropped := self.waiting.get(request_id)) is None:
            return False
        moved = False
        for each in reversed(self.waiting.values()):
            if each is dropped:
                break
            each.before -= dropped.cost
            moved = True
        self.prompts -= dropped.cost
        del self.waiting[request_id]
        return moved


class Entry:
    """A request of a tenant. `before`: the cost of the prompts that its tenant asked for earlier."""

    __slots__ = ("account", "before", "cost")

    def __init__(self, account: Account, cost: float) -> None:
        self.account, self.cost, self.before = account, cost, account.prompts


class VirtualTokenCounter(OrderPolicy):
    """The next request is the oldest of the tenant that has had the least, tokens of prompts and outputs counted
    (Sheng et al., Fairness in Serving Large Language Models, OSDI 2024, section 4.1, algorithm 2). A prompt is charged
    when its request first runs, each output token when it is there. A tenant that comes back with nothing waiting is
    lifted to the least counter of those who wait, or, where nobody waits, to that of the last who did: what it did not
    use meanwhile it cannot claim. While two tenants both have requests waiting, what they are given differs by at most
    twice the larger of the longest prompt and the outputs of a full batch, at their weights (theorem 4.4).

    A request's rank is what its tenant's counter will be when all of that tenant's earlier ones have been let in, so
    that ranks stay right while several are let in at once. A preempted sequence keeps its request's place. What the
    paper leaves open: prefixes found in the cache are charged like computed ones.

    `weights`: of tenants; one of weight 2 gets twice what one of weight 1 gets, which is that of those not named
    (section 4.3, weighted VTC).
    """

    observes: ClassVar[tuple[type, ...]] = (
        RequestArrived,
        Transition,
        StepRecord,
        DraftVerified,
        RequestEnded,
    )

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        self.revision = 0
        self._weights = weights or {}
        for tenant, weight in self._weights.items():
            if not 0 < weight < inf:
                raise ConfigurationError(
                    f"vtc: the weight of tenant {tenant!r} is {weight}; it must be above 0 and finite"
                )
        self._accounts: dict[str, Account] = {}
        self._backlogged: dict[str, Account] = {}
        self._last_left: Account | None = None
        self._entries: dict[str, Entry] = {}
        self._sequences: dict[int, Account] = {}
        self._standing: dict[int, Account] = {}
        self._decoding: dict[str, Account] = {}
        self._ended: list[int] = []

    def counter(self, tenant: str) -> float:
        """What a tenant has been given, in weighted tokens by its weight and with what it was lifted by."""
        account = self._accounts.get(tenant)
        return 0 if account is None else account.counter

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        entry = self._entries[sequence.request.request_id]
        return (entry.account.charged + entry.before,)

    def observe(self, event: Event) -> None:
        match event:
            case StepRecord():
                self._on_step(event)
            case Transition():
                self._on_transition(event)
            case RequestArrived():
                self._on_arrival(event)
            case RequestEnded():
                self._on_end(event)
            case DraftVerified():
                self._charge(event.sequence_number, event.num_accepted)

    def _on_arrival(self, event: RequestArrived) -> None:
        account = self._account(event.tenant)
        if not account.waiting:
            self._lift(account)
            self._backlogged[event.tenant] = account
            self.revision += len(self._backlogged) > 1
        entry = Entry(account, INPUT_WEIGHT * event.prompt_tokens / account.weight)
        account.waiting[event.request_id] = self._entries[event.request_id] = entry
        account.prompts += entry.cost
        account.num_live += 1

    def _account(self, tenant: str) -> Account:
        if tenant not in self._accounts:
            if len(self._accounts) >= MOST_TENANTS:
                self._forget()
            self._accounts[tenant] = Account(tenant, self._weights.get(tenant, 1.0))
        return self._accounts[tenant]

    @property
    def _level(self) -> float:
        """What a tenant that comes back is lifted to."""
        if self._backlogged:
            return min(account.counter for account in self._backlogged.values())
        return 0 if self._last_left is None else self._last_left.counter

    def _lift(self, account: Account) -> None:
        account.charged += max(0, self._level - account.counter)

    def _forget(self) -> None:
        level = self._level
        self._accounts = {
            tenant: account
            for tenant, account in self._accounts.items()
            if account.num_live or account.num_standing or account.counter > level
        }

    def _on_transition(self, event: Transition) -> None:
        number, after = event.sequence_number, event.after
        entry = self._entries.get(event.request_id)
        if entry is None:
            return
        if event.before is None and after is Status.WAITING:
            self._sequences[number] = entry.account
        elif after is Status.RUNNING and entry.account.waiting.pop(event.request_id, None) is not None:
            self._note_left(entry.account)
        elif after in ENDS and number in self._sequences:
            self._ended.append(number)

    def _note_left(self, account: Account) -> None:
        """Where nothing of a tenant waits any more, it is not among those who wait."""
        if not account.waiting and self._backlogged.pop(account.tenant, None) is not None:
            self._last_left = account

    def _on_end(self, event: RequestEnded) -> None:
        entry = self._entries.pop(event.request_id, None)
        if entry is not None:
            entry.account.num_live -= 1
            self.revision += entry.account.drop(event.request_id)
            self._note_left(entry.account)

    def _on_step(self, record: StepRecord) -> None:
        for number in record.left:
            if (account := self._standing.pop(number, None)) is not None:
                self._leave(account)
        if not record.failed:
            for account in self._decoding.values():
                account.charged += OUTPUT_WEIGHT * account.num_standing / account.weight
            for units in record.explicit:
                if units.emits:
                    self._charge(units.sequence_number, 1)
                if units.stands:
                    self._stand(units.sequence_number)
        for number in self._ended:
            self._sequences.pop(number, None)
        self._ended.clear()
        self.revision += len(self._backlogged) > 1

    def _stand(self, number: int) -> None:
        account = self._sequences.get(number)
        if account is not None and number not in self._standing:
            self._standing[number] = account
            account.num_standing += 1
            self._decoding[account.tenant] = account

    def _leave(self, account: Account) -> None:
        account.num_standing -= 1
        if not account.num_standing:
            self._decoding.pop(account.tenant, None)

    def _charge(self, number: int, num_tokens: int) -> None:
        if (account := self._sequences.get(number)) is not None:
            account.charged += OUTPUT_WEIGHT * num_tokens / account.weight
