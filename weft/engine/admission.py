"""From the queue to a row."""

from weft.contracts.events import PrefixLookup, Status
from weft.engine.entries import Entries
from weft.engine.lifecycle import Lifecycle
from weft.engine.reclaim import Reclaim
from weft.engine.replica import Replica
from weft.engine.sequence import Sequence
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

NO_ROW, NO_BLOCKS = "no free row", "no free blocks"
ADMIT = declare_fault_point("engine.admit", "letting a waiting sequence run")

PREFIX_HIT = sometimes("schedule: a waiting sequence found cached state")
RESUMED = sometimes("schedule: a preempted sequence runs again")
PASSED_OVER = sometimes("schedule: a later arrival was admitted before an earlier one")


class Admissions:
    """Lets waiting sequences run while there are rows, tokens and blocks for the first in order."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle, reclaim: Reclaim, entries: Entries) -> None:
        self._replica = replica
        self._lifecycle = lifecycle
        self._reclaim = reclaim
        self._entries = entries

    def admit(self) -> None:
        """Admit from the head of the queue; record why the first one left must wait."""
        queue, obstacle = self._replica.queue, None
        while obstacle is None and (head := queue.head()) is not None:
            obstacle = self._lifecycle.contain(head, self._admit_head, head)
            if obstacle is not None:
                self._lifecycle.wait(head, obstacle)
        self._replica.lacks_place = obstacle in (NO_ROW, NO_BLOCKS)

    def _admit_head(self, sequence: Sequence) -> str | None:
        """Let the next one run; what is in the way, or None."""
        replica = self._replica
        fault(ADMIT)
        if not replica.free_rows:
            return NO_ROW
        if replica.starved:
            return "running sequences need blocks first"
        if sequence.host_tables is not None:
            return self._swap_in(sequence)
        if not self._entries.prefill_left:
            return "token budget"
        store = replica.store
        num_blocks = store.find_prefix(sequence)
        if not self._entries.fits_budget(sequence.num_known - num_blocks * store.block_tokens):
            return "token budget"
        if not store.can_admit(sequence, num_blocks, others_run=bool(replica.running)):
            return NO_BLOCKS
        self._start(sequence, num_blocks)
        return None

    def _swap_in(self, sequence: Sequence) -> str | None:
        replica = self._replica
        if not self._reclaim.start_swap_in(sequence):
            return NO_BLOCKS
        replica.queue.remove(sequence)
        return None

    def _start(self, sequence: Sequence, num_blocks: int) -> None:
        replica, store = self._replica, self._replica.store
        self._note_passed_over(sequence)
        replica.queue.remove(sequence)
        replica.take_row(sequence)
        if sequence.status is Status.PREEMPTED:
            RESUMED.hit()
        self._lifecycle.move(sequence, Status.RUNNING, "admitted")
        store.prepare(sequence)
        store.adopt(sequence, num_blocks, replica.plan)
        if store.caches_prefixes:
            self._note_lookup(sequence, num_blocks)
        self._entries.plan_prefill(sequence)

    def _note_lookup(self, sequence: Sequence, num_blocks: int) -> None:
        if num_blocks:
            PREFIX_HIT.hit()
        replica = self._replica
        hit_tokens = num_blocks * replica.store.block_tokens
        replica.log.record(
            PrefixLookup(
                replica.now_s, sequence.request.request_id, sequence.number, sequence.num_known, hit_tokens
            )
        )

    def _note_passed_over(self, sequence: Sequence) -> None:
        oldest = self._replica.queue.oldest()
        if oldest is not None and oldest.number < sequence.number:
            PASSED_OVER.hit()
            self._lifecycle.wait(oldest, "the order policy prefers later arrivals")
