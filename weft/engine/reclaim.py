"""Getting blocks back: who gives way, and how its state is dropped, swapped out and brought back."""

from functools import partial

from weft.contracts.errors import PolicyError, WeftError
from weft.contracts.events import Status, TransferEnded, TransferStarted
from weft.contracts.policies import Preemption, PreemptionMethod
from weft.contracts.state import Tier
from weft.contracts.steps import HOLE
from weft.contracts.transfers import BlockMove, Transfer, TransferKind, TransferResult
from weft.engine.lifecycle import Lifecycle
from weft.engine.replica import Replica
from weft.engine.sequence import Sequence
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

CHOOSE = declare_fault_point("policy.preempt", "asking the preempt policy who gives way")
SWAP_OUT = declare_fault_point("swap.out", "starting to move state to host memory")
SWAP_IN = declare_fault_point("swap.in", "starting to bring state back from host memory")

RECOMPUTED = sometimes("preemption by recompute")
SWAPPED_OUT = sometimes("preemption by swap")
SWAPPED_IN = sometimes("preemption: swapped state came back")
TRANSFER_FAILED = sometimes("preemption: a transfer failed and the state is computed anew")
ENDED_IN_TRANSFER = sometimes("preemption: a sequence ended during its transfer")


class DoesNotFit(WeftError):
    """A sequence needs more state than the device can hold even when it runs alone."""


class Reclaim:
    """Preemption and swapping."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle) -> None:
        self._replica = replica
        self._view = replica.view
        self._lifecycle = lifecycle
        self._next_transfer_id = 0

    def make_room(self, needy: Sequence, start: int, end: int) -> bool:
        """Grow a running sequence, at others' expense if need be; False where it must wait or was preempted."""
        replica = self._replica
        store = replica.store
        while not store.grow(needy, start, end, replica.plan):
            if store.will_have_room(needy, start, end, replica.yielding.values()):
                replica.starved[needy.number] = needy
                self._lifecycle.wait(needy, "no free blocks")
                return False
            victim, method = self._choose(needy)
            self.preempt(victim, method)
            if victim is needy:
                return False
        replica.starved.pop(needy.number, None)
        return True

    def _choose(self, needy: Sequence) -> tuple[Sequence, PreemptionMethod]:
        replica = self._replica
        candidates = [
            sequence
            for sequence in replica.running.values()
            if sequence.status is Status.RUNNING and not replica.plan.includes(sequence)
        ]
        if candidates == [needy] and not self._others_hold_blocks():
            raise DoesNotFit(
                f"{needy.num_known} tokens do not fit the device's blocks even alone; shorten the prompt or max_tokens"
            )
        choice = self._ask(needy, candidates)
        victim = choice.sequence
        assert isinstance(victim, Sequence)
        return victim, choice.method

    def displace(self, victim: Sequence) -> None:
        """Let a running sequence give way to one that waits, by the method that the preempt policy chooses for it."""
        self.preempt(victim, self._ask(victim, [victim]).method)

    def _others_hold_blocks(self) -> bool:
        replica = self._replica
        return len(replica.running) > 1 or bool(replica.transfers) or not replica.deferred.is_empty

    def _ask(self, needy: Sequence, candidates: list[Sequence]) -> Preemption:
        policy, request_id = self._replica.preempt, needy.request.request_id
        name = type(policy).__name__
        try:
            fault(CHOOSE)
            choice: object = policy.decide(self._view, candidates, self._replica.now_s)
        except Exception as error:
            raise PolicyError(name, f"raised {type(error).__name__}: {error}", request_id) from error
        if not isinstance(choice, Preemption) or not any(choice.sequence is each for each in candidates):
            raise PolicyError(name, f"chose {choice!r}, which is not among the candidates", request_id)
        if choice.method is PreemptionMethod.SWAP and not self._view.can_swap(choice.sequence):
            raise PolicyError(name, "chose to swap where host memory has no room", request_id)
        return choice

    def preempt(self, victim: Sequence, method: PreemptionMethod) -> None:
        """Take a running sequence's row now, and its blocks as soon as nothing under way touches them."""
        self._replica.leave_row(victim)
        self._replica.yielding[victim.number] = victim
        self._lifecycle.move(victim, Status.PREEMPTED, method.value)
        if method is PreemptionMethod.SWAP:
            SWAPPED_OUT.hit()
        else:
            RECOMPUTED.hit()
        settle = partial(self._settle, method)
        self._replica.deferred.settle(victim, lambda each: self._lifecycle.contain(each, settle, each))

    def _settle(self, method: PreemptionMethod, victim: Sequence) -> None:
        """All its steps have returned: what it emitted is known, what it computed can be found."""
        if victim.has_ended:
            return
        self._replica.standing.collect(victim)
        self._replica.store.keep(victim, victim.base_computed)
        if method is PreemptionMethod.SWAP and self._view.can_swap(victim):
            self._start_swap_out(victim)
        else:
            self.forget(victim)
            self._lifecycle.enqueue(victim)

    def forget(self, sequence: Sequence) -> None:
        """Drop all state; the known tokens will be computed anew."""
        self._replica.release_state(sequence)
        self._replica.release_host(sequence)
        sequence.base_computed = 0
        sequence.num_published = 0
        if sequence.mixes_weights:
            sequence.mixes_weights = False
            sequence.keys.clear()

    def _start_swap_out(self, victim: Sequence) -> None:
        fault(SWAP_OUT)
        replica = self._replica
        tables = replica.store.swappable(victim)
        victim.host_tables = replica.host.take(tables)
        self._lifecycle.move(victim, Status.BLOCKED, TransferKind.SWAP_OUT.value)
        self._start(victim, TransferKind.SWAP_OUT, tables, victim.host_tables)

    def start_swap_in(self, sequence: Sequence) -> bool:
        """Bring a preempted sequence's state back, where the device has room for it now."""
        replica = self._replica
        assert sequence.host_tables is not None
        if not replica.store.restore(sequence, sequence.host_tables, others_run=bool(replica.running)):
            return False
        replica.take_row(sequence)
        fault(SWAP_IN)
        self._lifecycle.move(sequence, Status.BLOCKED, TransferKind.SWAP_IN.value)
        self._start(sequence, TransferKind.SWAP_IN, sequence.host_tables, replica.store.swappable(sequence))
        return True

    def _start(
        self, sequence: Sequence, kind: TransferKind, sources: list[list[int]], targets: list[list[int]]
    ) -> None:
        moves = tuple(
            BlockMove(group, source, target)
            for group, (table, other) in enumerate(zip(sources, targets, strict=True))
            for source, target in zip(table, other, strict=True)
            if source != HOLE
        )
        tiers = (Tier.DEVICE, Tier.HOST) if kind is TransferKind.SWAP_OUT else (Tier.HOST, Tier.DEVICE)
        expected = sequence.swap_checksum if kind is TransferKind.SWAP_IN else None
        number = self._next_transfer_id
        self._next_transfer_id += 1
        transfer = Transfer(
            number, kind, sequence.number, *tiers, moves, sequence.base_computed, expected_checksum=expected
        )
        sequence.transfer_id = number
        replica = self._replica
        replica.transfers[number] = (transfer, sequence)
        replica.outbox.append(transfer)
        replica.log.record(TransferStarted(replica.now_s, number, kind, sequence.number, len(moves)))

    def transfer_ended(self, result: TransferResult) -> None:
        """A transfer is over: go on, or compute anew what did not arrive."""
        replica = self._replica
        transfer, sequence = replica.transfers.pop(result.transfer_id)
        replica.log.record(TransferEnded(replica.now_s, result.transfer_id, result.error))
        sequence.transfer_id = None
        if sequence.has_ended:
            ENDED_IN_TRANSFER.hit()
            replica.release_state(sequence)
            replica.release_host(sequence)
            return
        self._lifecycle.contain(sequence, self._after_transfer, transfer, sequence, result)

    def _after_transfer(self, transfer: Transfer, sequence: Sequence, result: TransferResult) -> None:
        swapped_out = transfer.kind is TransferKind.SWAP_OUT
        if result.error is not None:
            TRANSFER_FAILED.hit()
            self._back_to_queue(sequence, f"{transfer.kind.value} failed: {result.error}")
        elif swapped_out:
            sequence.swap_checksum = result.checksum
            self._replica.release_state(sequence)
            self._lifecycle.move(sequence, Status.PREEMPTED, "swapped out")
            self._lifecycle.enqueue(sequence)
        else:
            SWAPPED_IN.hit()
            self._replica.release_host(sequence)
            self._lifecycle.move(sequence, Status.RUNNING, "swapped in")

    def _back_to_queue(self, sequence: Sequence, reason: str) -> None:
        self._replica.leave_row(sequence)
        self.forget(sequence)
        self._lifecycle.move(sequence, Status.PREEMPTED, reason)
        self._lifecycle.enqueue(sequence)
