"""Sequences that wait for a row, in the order that the order policy gives."""

from heapq import heapify, heappop, heappush

from weft.contracts.errors import PolicyError
from weft.contracts.policies import EngineView, OrderPolicy, Rank
from weft.engine.sequence import Sequence
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

RANK = declare_fault_point("policy.order", "asking the order policy for a rank")

RERANKED = sometimes("queue: ranks were asked anew")


class Waiting:
    """What waits of a tenant, counted as in `WaitingQueue`."""

    __slots__ = ("num_output_tokens", "num_sequences", "num_tokens")

    def __init__(self) -> None:
        self.num_sequences = self.num_tokens = self.num_output_tokens = 0

    def count(self, sequence: Sequence, sign: int) -> None:
        """One more (1) or one less (-1)."""
        self.num_sequences += sign
        self.num_tokens += sign * sequence.num_missing
        self.num_output_tokens += sign * sequence.num_remaining_tokens


class WaitingQueue:
    """A heap by (rank, number). Ranks are asked on entry, and again when the policy says they may change.

    `num_tokens`: known units that those who wait have still to compute; `num_output_tokens`: the most they may emit;
    `by_tenant`: the same of each tenant of which anything waits. `view`: what the policy sees of the engine.
    """

    def __init__(self, order: OrderPolicy, view: EngineView) -> None:
        self.order = order
        self._view = view
        self.num_tokens = 0
        self.num_output_tokens = 0
        self.by_tenant: dict[str, Waiting] = {}
        self._heap: list[tuple[Rank, int, Sequence]] = []
        self._by_arrival: list[tuple[int, Sequence]] = []
        self._length = 0
        self._revision = order.revision

    def __len__(self) -> int:
        return self._length

    def push(self, sequence: Sequence, now_s: float) -> None:
        """Let a sequence wait. Raises `PolicyError` where the order policy has no rank for it."""
        sequence.rank = self._rank(sequence, now_s)
        sequence.is_queued = True
        heappush(self._heap, (sequence.rank, sequence.number, sequence))
        heappush(self._by_arrival, (sequence.number, sequence))
        self._length += 1
        self.num_tokens += sequence.num_missing
        self.num_output_tokens += sequence.num_remaining_tokens
        tenant = sequence.request.tenant
        if (waiting := self.by_tenant.get(tenant)) is None:
            waiting = self.by_tenant[tenant] = Waiting()
        waiting.count(sequence, 1)

    def _rank(self, sequence: Sequence, now_s: float) -> Rank:
        name = type(self.order).__name__
        try:
            fault(RANK)
            rank: object = self.order.decide(self._view, sequence, now_s)
        except Exception as error:
            problem = f"raised {type(error).__name__}: {error}"
            raise PolicyError(name, problem, sequence.request.request_id) from error
        if not isinstance(rank, tuple) or not all(isinstance(p, int | float) and p == p for p in rank):
            problem = f"gave rank {rank!r}; a rank is a tuple of numbers, none of them NaN"
            raise PolicyError(name, problem, sequence.request.request_id)
        return rank

    def remove(self, sequence: Sequence) -> None:
        """Let a sequence wait no longer; nothing where it does not wait."""
        if sequence.is_queued:
            sequence.is_queued = False
            self._length -= 1
            self.num_tokens -= sequence.num_missing
            self.num_output_tokens -= sequence.num_remaining_tokens
            waiting = self.by_tenant[sequence.request.tenant]
            waiting.count(sequence, -1)
            if not waiting.num_sequences:
                del self.by_tenant[sequence.request.tenant]
            if self._heap[0][2] is sequence:
                heappop(self._heap)

    def head(self) -> Sequence | None:
        """Who is next, or None where nobody waits."""
        heap = self._heap
        while heap and not heap[0][2].is_queued:
            heappop(heap)
        return heap[0][2] if heap else None

    def oldest(self) -> Sequence | None:
        """The earliest arrival that waits, whoever is next."""
        heap = self._by_arrival
        while heap and not heap[0][1].is_queued:
            heappop(heap)
        return heap[0][1] if heap else None

    def rerank(self, now_s: float) -> None:
        """Ask for all ranks anew where the policy declares that they may have changed."""
        order = self.order
        if now_s < order.rerank.at_s and order.revision == self._revision:
            return
        revision = order.revision
        waiting = [entry[2] for entry in self._heap if entry[2].is_queued]
        ranks = [self._rank(sequence, now_s) for sequence in waiting]
        for sequence, rank in zip(waiting, ranks, strict=True):
            sequence.rank = rank
        self._heap = [(sequence.rank, sequence.number, sequence) for sequence in waiting]
        heapify(self._heap)
        self._revision = revision
        RERANKED.hit()

    def sequences(self) -> list[Sequence]:
        """All who wait, in order of service."""
        return [entry[2] for entry in sorted(self._heap, key=lambda e: e[:2]) if entry[2].is_queued]
