"""Operations of a layer's experts. Their products are one grouped product, of a row per token and chosen expert."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.linear_operations import grouped_linear, linear
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Operation, OperationKind
from weft.model_specs.shard import Shard


@dataclass(frozen=True, slots=True)
class ExpertOperations:
    """Of one layer on one device. `given_distinct`: how many experts the step touches, None where not known.

    Whole experts per device (`ep` above 1) are taken to get equal shares of the rows of all `dp` copies and their `cp`
    ranks, whose work is taken to be equal. Where there are several, rows travel to their experts and back; within
    one, every device has all rows, and the sum over `tp` that follows joins the results.
    """

    shard: Shard
    build: OperationBuilder
    experts: ExpertsSpec
    layer: int
    num_tokens: int
    given_distinct: int | None

    def operations(self) -> Iterator[Operation]:
        """All of them, in order."""
        layer, hidden, tokens = self.layer, self.shard.spec.hidden_size, self.num_tokens
        chosen, experts = self.experts.num_chosen, self.experts.num_experts
        yield self.build.product("router_product", layer, tokens, experts, hidden)
        yield self.build.elementwise("expert_choice", layer, tokens, chosen, num_read=tokens * experts)
        if self._travels:
            yield self._exchange("expert_dispatch")
        yield from self._products()
        if self._travels:
            yield self._exchange("expert_combine")
        # a row per chosen expert, and its weight
        rows = tokens * chosen if self._travels else self._num_rows
        yield self.build.elementwise("expert_sum", layer, tokens, hidden, num_read=rows * hidden + rows)
        if self.experts.shared_inner_size:
            yield from self._shared_expert()

    def _products(self) -> Iterator[Operation]:
        hidden, rows, distinct = self.shard.spec.hidden_size, self._num_rows, self._num_distinct
        inner = self.experts.inner_size // (self.shard.plan.tp if self.shard.plan.ep == 1 else 1)
        # a token's row is one operand, however many experts fetch it
        fetched = rows if self._travels else min(rows, self.num_tokens)
        yield from grouped_linear(
            self.build, "expert_gate_up_product", self.layer, rows, 2 * inner, hidden, distinct, fetched
        )
        yield self.build.of_two("expert_silu_multiply", self.layer, rows, inner)
        yield from grouped_linear(
            self.build, "expert_down_product", self.layer, rows, hidden, inner, distinct, rows
        )

    def _shared_expert(self) -> Iterator[Operation]:
        hidden, inner = self.shard.spec.hidden_size, self.experts.shared_inner_size // self.shard.plan.tp
        layer, tokens = self.layer, self.num_tokens
        yield from linear(self.build, "shared_gate_up_product", layer, tokens, 2 * inner, hidden)
        yield self.build.of_two("shared_silu_multiply", layer, tokens, inner)
        yield from linear(self.build, "shared_down_product", layer, tokens, hidden, inner)
        yield self.build.of_two("shared_add", layer, tokens, hidden)

    def _exchange(self, name: str) -> Operation:
        """The devices of a copy share the sending of its rows."""
        numbers = self._num_rows * self.shard.spec.hidden_size
        axis = (Axis.EXPERT, self.shard.plan.ep)
        return self.build.communication(OperationKind.ALL_TO_ALL, name, self.layer, axis, numbers)

    @property
    def _travels(self) -> bool:
        return self.shard.plan.ep > 1 and self._num_sources > 1

    @property
    def _num_sources(self) -> int:
        """Groups of devices, each with tokens of its own."""
        return self.shard.plan.dp * self.shard.plan.cp

    @property
    def _num_rows(self) -> int:
        rows = self.num_tokens * self.experts.num_chosen
        return rows if self.shard.plan.ep == 1 else ceil(rows * self._num_sources / self.shard.plan.ep)

    @property
    def _num_distinct(self) -> int:
        """How many experts of this device the step touches; an expectation is rounded to whole experts."""
        plan = self.shard.plan
        if self.given_distinct is not None:
            return min(ceil(self.given_distinct / plan.ep), self._num_rows)
        sources = self._num_sources if plan.ep > 1 else 1
        expected = self.experts.expected_distinct(self.num_tokens * sources)
        return max(1, round(expected / plan.ep))
