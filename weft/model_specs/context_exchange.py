"""What the ranks of a context-parallel group tell each other, so that every token sees all kept state.

Each rank keeps an equal part of every sequence's state. For spans of several units keys and values are passed around
(a ring, Liu et al., arXiv 2310.01889, section 3; all-gathered, Llama 3, arXiv 2407.21783, section 3.3.2: the same
bytes over the same hops), and each rank attends for its own units; which units these are is taken to balance the
causal halves (Llama 3, same section). Single units are passed instead, because they are smaller than what they see:
each rank attends for all of them to its own part, and partial outputs travel back to be merged (pass-Q, Yang et al.,
arXiv 2411.01783).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Operation, OperationKind
from weft.model_specs.shard import Shard


@dataclass(frozen=True, slots=True)
class ContextExchange:
    """Of one layer; nothing where there is one rank, or no span of the kind."""

    shard: Shard
    build: OperationBuilder
    layer: int

    def state(self, num_visible: int, state_size: int) -> Iterator[Operation]:
        """All that longer spans see, before they attend."""
        if self._num_ranks > 1 and num_visible:
            yield self._sent(
                OperationKind.ALL_GATHER, "state_all_gather", num_visible * state_size, operand="state"
            )

    def units(self, num_units: int, size: int) -> Iterator[Operation]:
        """Queries of single units, and their new state on its way to where it is kept: `size` numbers of each."""
        if self._num_ranks > 1 and num_units:
            yield self._sent(OperationKind.ALL_GATHER, "query_all_gather", num_units * size)

    def outputs(self, num_units: int, size: int) -> Iterator[Operation]:
        """Partial outputs of `size` numbers per unit to the ranks that own the units, and merged there by the weight
        of each, a log-sum-exp per head (Rabe and Staats, arXiv 2112.05682, section 2)."""
        if self._num_ranks > 1 and num_units:
            numbers = num_units * (size + self.shard.num_heads)
            yield self._sent(OperationKind.ALL_TO_ALL, "partial_output_exchange", numbers)
            yield self.build.merge(
                "partial_output_merge", self.layer, num_units, size, numbers, self._num_ranks
            )

    @property
    def num_weights(self) -> int:
        """Numbers that a partial output has besides those of an output."""
        return self.shard.num_heads if self._num_ranks > 1 else 0

    @property
    def _num_ranks(self) -> int:
        return self.shard.plan.cp

    def _sent(self, kind: OperationKind, name: str, numbers: int, operand: str = "input") -> Operation:
        return self.build.communication(
            kind, name, self.layer, (Axis.CONTEXT, self._num_ranks), numbers, operand
        )
