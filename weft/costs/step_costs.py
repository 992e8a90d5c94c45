"""The roofline of serving steps, compiled: microseconds per step where listing operations takes milliseconds.

Most operations depend only on how many tokens a step has (`token_terms.py`); those costs are remembered by number.
Attention is a closed form in sums over the sequences. A test holds the result equal to that of the listed operations.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from weft.costs.cost import FULL_SPEED, DeviceState
from weft.costs.kernel_terms import KernelTerm, Machine, chunk_terms, single_terms
from weft.costs.roofline import Ceilings, Roofline, operation_seconds
from weft.costs.token_terms import TokenTerms
from weft.costs.topology import Topology
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats, ForwardWork, Operation, Span
from weft.model_specs.shard import Shard

Chunk = tuple[int, int]
"""Tokens of a prompt that a step computes, and tokens of its context before them."""


class _LayerGroup(NamedTuple):
    """Layers that see equally far back: how many in all and per stage, and one layer's kernels over spans."""

    window_tokens: int | None
    num_layers: int
    num_layers_of_stage: tuple[int, ...]
    single: tuple[KernelTerm, ...]
    chunks: tuple[KernelTerm, ...]


class StepCosts:
    """Seconds of serving steps of a model: what `roofline.predict` says of their operations.

    All methods take a step as `num_tokens` in all, `num_outputs` of which logits are wanted, `num_decodes` sequences
    that compute one token each, `visible_tokens` (for each of the model's `layer_groups`, the sum over these
    sequences of the tokens they see, the new one among them: the context, or the window where that is less), and
    `chunks`. One object serves any number of replicas that are alike. Nothing is checked: a step is the scheduler's,
    and counts that do not fit together give a wrong number. Raises `ConfigurationError` where the plan does not divide
    the model, and where no source states the device's peak in a format that products are computed in.
    """

    def __init__(
        self, spec: ModelSpec, formats: Formats, roofline: Roofline, device_state: DeviceState = FULL_SPEED
    ) -> None:
        self._shard, self._formats, self._roofline = Shard(spec, roofline.plan), formats, roofline
        self._ceilings = Ceilings(roofline.cluster.device, device_state)
        for number in formats.arithmetic:
            self._ceilings.peak_flops(number)
        self._topology = Topology(roofline.cluster, roofline.plan)
        self._stages = roofline.plan.stage_layers(spec.num_layers)
        self._kinds = tuple(self._kinds_of(stage) for stage in self._stages)
        self._machine = Machine(self._ceilings, self._topology)
        self._token_terms = tuple(
            TokenTerms(partial(self._of_tokens, stage), self._machine) for stage in range(len(self._stages))
        )
        self._groups = tuple(self._group(index) for index in range(len(spec.layer_groups)))
        self._token_s: dict[int, float] = {}
        self._token_stage_s: dict[int, tuple[float, ...]] = {}
        self._output_s: dict[int, float] = {}

    def seconds(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk] = (),
    ) -> float:
        """From a step's beginning to its end, the host's overhead included; 0 for a step without tokens."""
        if not num_tokens:
            return 0.0
        total = self._base_s(num_tokens, num_outputs)
        if chunks:
            layer_s = self._with_chunks(num_decodes, visible_tokens, chunks)
            for group, seconds in zip(self._groups, layer_s, strict=True):
                total += group.num_layers * seconds
        else:
            for group, visible in zip(self._groups, visible_tokens, strict=True):
                total += group.num_layers * _single_s(group.single, num_decodes, visible)
        return total

    def stage_seconds(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk] = (),
    ) -> tuple[float, ...]:
        """Of each stage of the pipeline alone, without the host's overhead."""
        if not num_tokens:
            return (0.0,) * len(self._stages)
        self._tokens(num_tokens)
        stages = list(self._token_stage_s[num_tokens])
        stages[-1] += self._outputs(num_outputs)
        layer_s = self._with_chunks(num_decodes, visible_tokens, chunks)
        for group, seconds in zip(self._groups, layer_s, strict=True):
            for stage, count in enumerate(group.num_layers_of_stage):
                stages[stage] += count * seconds
        return tuple(stages)

    def decode_seconds(
        self, num_decodes: int, visible_tokens: Sequence[int], per_step: Sequence[int], num_steps: int
    ) -> list[float]:
        """As `seconds`, of steps that follow each other and do nothing but decode; `per_step`: how much more is
        visible in each than in the one before."""
        base_s = self._base_s(num_decodes, num_decodes) if num_steps else 0.0
        found = [base_s] * num_steps
        for group, first, growth in zip(self._groups, visible_tokens, per_step, strict=True):
            visible = [first + growth * step for step in range(num_steps)]
            layer_s = _singles_s(group.single, num_decodes, visible)
            found = [
                so_far + group.num_layers * seconds for so_far, seconds in zip(found, layer_s, strict=True)
            ]
        return found

    def joules(self, seconds: float, num_passes: int = 1) -> float | None:
        """As `Roofline.joules`."""
        return self._roofline.joules(seconds, num_passes)

    def _base_s(self, num_tokens: int, num_outputs: int) -> float:
        """All but attention."""
        return self._roofline.host_overhead_s + self._tokens(num_tokens) + self._outputs(num_outputs)

    def _with_chunks(
        self, num_decodes: int, visible_tokens: Sequence[int], chunks: Sequence[Chunk]
    ) -> list[float]:
        """Per layer group, seconds of one layer's kernels over spans."""
        singles = [context for tokens, context in chunks if tokens == 1]
        longer = [chunk for chunk in chunks if chunk[0] > 1] if singles else chunks
        found = []
        for group, visible in zip(self._groups, visible_tokens, strict=True):
            window = group.window_tokens
            more = sum(context + 1 if window is None else min(context + 1, window) for context in singles)
            seconds = _single_s(group.single, num_decodes + len(singles), visible + more)
            found.append(seconds + _chunks_s(group.chunks, longer, window))
        return found

    def _tokens(self, num_tokens: int) -> float:
        known = self._token_s.get(num_tokens)
        if known is None:
            stages = tuple(terms.seconds(num_tokens) for terms in self._token_terms)
            self._token_stage_s[num_tokens] = stages
            known = self._token_s[num_tokens] = sum(stages)
        return known

    def _of_tokens(self, stage: int, num_tokens: int) -> list[tuple[int, Operation]]:
        """All that depends on nothing but the number of tokens: each kind of layer once, with their number."""
        work = self._pass(ForwardWork((Span(0, num_tokens),), 0))
        listed = [(1, each) for each in work.embedding_operations()] if stage == 0 else []
        for layer, count in self._kinds[stage]:
            over_spans = list(work.span_operations(stage, layer))
            own = [each for each in work.layer_operations(stage, layer) if each not in over_spans]
            listed += [(count, each) for each in own]
        last = stage == len(self._stages) - 1
        return listed + [(1, each) for each in (work.final_operations() if last else [work.handover(stage)])]

    def _outputs(self, num_outputs: int) -> float:
        known = self._output_s.get(num_outputs)
        if known is None:
            work = ForwardWork((Span(0, max(1, num_outputs)),), num_outputs)
            known = self._output_s[num_outputs] = self._sum(self._pass(work).logits_operations())
        return known

    def _pass(self, work: ForwardWork) -> ForwardPass:
        return ForwardPass(self._shard, work, self._formats)

    def _sum(self, operations: Iterable[Operation]) -> float:
        return sum(operation_seconds(each, self._ceilings, self._topology) for each in operations)

    def _kinds_of(self, layers: range) -> tuple[tuple[int, int], ...]:
        """A layer with experts and one without, where the stage has them, and how many are like each."""
        spec = self._shard.spec
        kinds: dict[bool, list[int]] = {}
        for layer in layers:
            kinds.setdefault(spec.experts_of(layer) is not None, []).append(layer)
        return tuple((like[0], len(like)) for like in kinds.values())

    def _group(self, index: int) -> _LayerGroup:
        group = self._shard.spec.layer_groups[index]
        per_stage = tuple(sum(layer in stage for layer in group.layers) for stage in self._stages)
        layer = group.layers[0]
        return _LayerGroup(
            group.window_tokens,
            len(group.layers),
            per_stage,
            single_terms(self._shard, layer, self._formats, self._machine),
            chunk_terms(self._shard, layer, self._formats, self._machine),
        )


def _single_s(terms: tuple[KernelTerm, ...], num_units: int, visible: int) -> float:
    if not num_units:
        return 0.0
    total = 0.0
    for first, second in terms:
        first_s = first[0] + first[1] * num_units + first[2] * visible
        second_s = second[0] + second[1] * num_units + second[2] * visible
        total += first_s if first_s > second_s else second_s
    return total


def _singles_s(terms: tuple[KernelTerm, ...], num_units: int, visible: Sequence[int]) -> list[float]:
    """As `_single_s` for each of many."""
    total = [0.0] * len(visible)
    for first, second in terms:
        first_s, second_s = (line[0] + line[1] * num_units for line in (first, second))
        total = [
            so_far + max(first_s + first[2] * each, second_s + second[2] * each)
            for so_far, each in zip(total, visible, strict=True)
        ]
    return total


def _chunks_s(terms: tuple[KernelTerm, ...], chunks: Sequence[Chunk], window: int | None) -> float:
    if not chunks:
        return 0.0
    units = visible = pairs = 0
    for tokens, context in chunks:
        units += tokens
        if window is None:
            visible += context + tokens
            pairs += tokens * (2 * context + tokens + 1) // 2
        else:
            span = Span(context, tokens)
            visible += span.num_visible(window)
            pairs += span.num_pairs(window)
    total = 0.0
    for first, second in terms:
        first_s = first[0] + first[1] * units + first[2] * visible + first[3] * pairs
        second_s = second[0] + second[1] * units + second[2] * visible + second[3] * pairs
        total += first_s if first_s > second_s else second_s
    return total
