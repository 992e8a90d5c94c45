"""The roofline of serving steps, compiled: microseconds per step where listing operations takes milliseconds.

Most operations depend only on how many tokens a step has; those costs are remembered by number. They are in closed form
(`token_terms.py`), or listed once for each number where kernels were measured. Attention is a closed form in sums over
the sequences. A test holds the result equal to that of the listed operations.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from weft.costs.cost import FULL_SPEED, DeviceState
from weft.costs.profiled_span_costs import ProfiledSpanCosts
from weft.costs.roofline import Roofline
from weft.costs.serving_costs import Chunk
from weft.costs.span_costs import SpanCosts
from weft.costs.token_terms import TokenTerms
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats, ForwardWork, Operation, Span
from weft.model_specs.shard import Shard


class _LayerGroup(NamedTuple):
    """Layers that see equally far back: how many in all and per stage, and what one of them does over spans."""

    num_layers: int
    num_layers_of_stage: tuple[int, ...]
    window_tokens: int | None
    spans: SpanCosts


class StepCosts:
    """Seconds of serving steps of a model: what `roofline.predict` says of their operations.

    All methods take a step as `num_tokens` in all, `num_outputs` of which logits are wanted, `num_decodes` sequences
    that compute one token each, `visible_tokens` (for each of the model's `layer_groups`, the sum over these
    sequences of the tokens they see, the new one among them: the context, or the window where that is less), `chunks`,
    and `longest_tokens`, what the longest of these sequences sees without windows; 0: they are alike. One object serves
    any number of replicas that are alike. Nothing is checked: a step is the scheduler's, and counts that do not fit
    together give a wrong number. Raises `ConfigurationError` where the plan does not divide the model, and where no
    source states the device's peak in a format that products are computed in.
    """

    pads_decodes = False

    def __init__(
        self, spec: ModelSpec, formats: Formats, roofline: Roofline, device_state: DeviceState = FULL_SPEED
    ) -> None:
        self._shard, self._formats, self._roofline = Shard(spec, roofline.plan), formats, roofline
        self._machine, server = roofline.machine(device_state), roofline.server
        for number in formats.arithmetic:
            self._machine.ceilings.peak_flops(number)
        self._server, self._slack = server, server.slack
        self._stages = roofline.plan.stage_layers(spec.num_layers)
        self._kinds = tuple(self._kinds_of(stage) for stage in self._stages)
        self._of_stages = tuple(self._token_costs(stage) for stage in range(len(self._stages)))
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
        longest_tokens: int = 0,
    ) -> float:
        """From a step's beginning to its end, the host's overhead included; 0 for a step without tokens."""
        if not num_tokens:
            return 0.0
        total = self._tokens(num_tokens) + self._outputs(num_outputs)
        if chunks:
            layer_s = self._with_chunks(num_decodes, visible_tokens, chunks, longest_tokens)
            for index, group in enumerate(self._groups):
                total += group.num_layers * layer_s[index]
        else:
            for index, group in enumerate(self._groups):
                single_s = group.spans.single_s(num_decodes, visible_tokens[index], False, longest_tokens)
                total += group.num_layers * single_s
        return self._server.seconds(total, num_decodes + len(chunks))

    def stage_seconds(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk] = (),
        longest_tokens: int = 0,
    ) -> tuple[float, ...]:
        """Of each stage of the pipeline alone, without the host's overhead."""
        if not num_tokens:
            return (0.0,) * len(self._stages)
        self._tokens(num_tokens)
        stages = list(self._token_stage_s[num_tokens])
        stages[-1] += self._outputs(num_outputs)
        layer_s = self._with_chunks(num_decodes, visible_tokens, chunks, longest_tokens)
        for group, seconds in zip(self._groups, layer_s, strict=True):
            for stage, count in enumerate(group.num_layers_of_stage):
                stages[stage] += count * seconds
        return tuple(self._slack * seconds for seconds in stages)

    def decode_seconds(
        self,
        num_decodes: int,
        visible_tokens: Sequence[int],
        per_step: Sequence[int],
        num_steps: int,
        longest_tokens: int = 0,
    ) -> list[float]:
        """As `seconds`, of steps that follow each other and do nothing but decode; `per_step`: how much more is
        visible in each than in the one before. `longest_tokens`: in the first."""
        found = [self._tokens(num_decodes) + self._outputs(num_decodes)] * num_steps if num_steps else []
        for group, first, growth in zip(self._groups, visible_tokens, per_step, strict=True):
            count = group.num_layers
            layer_s = group.spans.singles_s(num_decodes, first, growth, num_steps, longest_tokens)
            found = [so_far + count * seconds for so_far, seconds in zip(found, layer_s, strict=True)]
        return self._server.seconds_of_each(found, num_decodes)

    admission_s = 0.0
    settling_steps = 0

    def waking_seconds(self, idle_s: float) -> float:
        """Nothing: the host's overhead is that of each step."""
        return 0.0

    def settling_seconds(self, steps_after: int, prompt_tokens: int, num_decodes: int) -> float:
        """Nothing: so little is left in the caches of a GPU that each step reads all that it needs."""
        return 0.0

    @property
    def wants_longest(self) -> bool:
        """See `ServingCosts`."""
        return any(group.spans.wants_longest for group in self._groups)

    def joules(self, seconds: float, num_passes: int = 1, num_sequences: int = 0) -> float | None:
        """As `Roofline.joules`."""
        return self._roofline.joules(seconds, num_passes, num_sequences)

    def _with_chunks(
        self, num_decodes: int, visible_tokens: Sequence[int], chunks: Sequence[Chunk], longest_tokens: int
    ) -> list[float]:
        """Per layer group, seconds of one layer's kernels over spans."""
        singles = [context for tokens, context in chunks if tokens == 1]
        longer = [chunk for chunk in chunks if chunk[0] > 1] if singles else chunks
        longest = max(longest_tokens, *(context + 1 for context in singles)) if singles else longest_tokens
        found = []
        for index, group in enumerate(self._groups):
            window, visible = group.window_tokens, visible_tokens[index]
            for context in singles:
                visible += context + 1 if window is None else min(context + 1, window)
            seconds = group.spans.single_s(num_decodes + len(singles), visible, bool(longer), longest)
            found.append(seconds + group.spans.chunks_s(longer))
        return found

    def _tokens(self, num_tokens: int) -> float:
        known = self._token_s.get(num_tokens)
        if known is None:
            stages = tuple(seconds(num_tokens) for seconds in self._of_stages)
            self._token_stage_s[num_tokens] = stages
            known = self._token_s[num_tokens] = sum(stages)
        return known

    def _token_costs(self, stage: int) -> Callable[[int], float]:
        """Of all in a stage that depends on nothing but the number of tokens."""
        if self._roofline.ratios is None:
            return TokenTerms(partial(self._of_tokens, stage), self._machine).seconds
        return partial(self._listed_tokens_s, stage)

    def _listed_tokens_s(self, stage: int, num_tokens: int) -> float:
        listed = self._of_tokens(stage, num_tokens)
        return sum(count * self._machine.seconds(operation) for count, operation in listed)

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
            known = self._output_s[num_outputs] = sum(
                map(self._machine.seconds, self._pass(work).logits_operations())
            )
        return known

    def _pass(self, work: ForwardWork) -> ForwardPass:
        return ForwardPass(self._shard, work, self._formats)

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
        return _LayerGroup(len(group.layers), per_stage, group.window_tokens, self._spans(group.layers[0]))

    def _spans(self, layer: int) -> SpanCosts:
        ratios, like = self._roofline.ratios, (self._shard, layer, self._formats, self._machine)
        return SpanCosts(*like) if ratios is None else ProfiledSpanCosts(*like, ratios)
