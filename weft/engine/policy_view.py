"""What policies see of a replica."""

from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING

from weft.engine.sequence import Sequence

if TYPE_CHECKING:
    from weft.engine.replica import Replica


class PolicyView:
    """A `contracts.policies.EngineView`."""

    def __init__(self, replica: "Replica") -> None:
        self._replica = replica

    @property
    def max_step_tokens(self) -> int:
        return self._replica.config.max_step_tokens

    @property
    def num_standing(self) -> int:
        return self._replica.standing.count

    @property
    def running(self) -> SequenceOf[Sequence]:
        return list(self._replica.running.values())

    @property
    def num_running(self) -> int:
        return len(self._replica.running)

    @property
    def max_running(self) -> int:
        return self._replica.config.max_running

    @property
    def waiting(self) -> SequenceOf[Sequence]:
        return self._replica.queue.sequences()

    @property
    def num_waiting(self) -> int:
        return len(self._replica.queue)

    @property
    def num_blocks(self) -> int:
        return sum(group.pool.num_blocks for group in self._replica.store.groups)

    def num_cached(self, sequence: object) -> int:
        assert isinstance(sequence, Sequence)
        store = self._replica.store
        return store.find_prefix(sequence) * store.block_tokens

    def can_swap(self, sequence: object) -> bool:
        assert isinstance(sequence, Sequence)
        if sequence.report is not None and not sequence.report.survives_swap:
            return False
        return bool(self._replica.config.num_host_blocks) and self._replica.host.has_room(
            self._replica.store.count_swappable(sequence)
        )
