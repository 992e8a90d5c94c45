"""What a learned predictor sees of a step: the operations of a layer by kind, as window features."""

from collections.abc import Iterator

from weft.measurement.validation.recorded_run import RecordedStep
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.operations import ForwardWork, Operation, OperationKind, Span
from weft.model_specs.shard import Shard
from weft.simulator.deployment import Deployment


def step_features(step: RecordedStep, deployment: Deployment) -> tuple[float, ...]:
    """Of one layer: flops and bytes by kind of operation, then the sizes of the batch.

    What is recorded as a sum is divided as in `step_seconds`: equally among prompts and among decodes.
    """
    work = ForwardWork(tuple(_spans(step)), step.prefill_sequences + step.decode_sequences)
    shard = Shard(deployment.spec, deployment.plan)
    listed = list(ForwardPass(shard, work, deployment.formats).layer_operations(0, 0))
    counts = [count for kind in OperationKind for count in _counts(kind, listed)]
    batch = (work.num_units, step.prefill_sequences, step.decode_sequences)
    return tuple(map(float, (*counts, *batch)))


def _counts(kind: OperationKind, listed: list[Operation]) -> tuple[int, int]:
    """Flops, and bytes in memory and between devices."""
    same = [each for each in listed if each.kind is kind]
    exchanged = sum(each.communication.num_bytes for each in same if each.communication)
    return sum(each.flops for each in same), sum(each.moved_bytes for each in same) + exchanged


def _spans(step: RecordedStep) -> Iterator[Span]:
    """Prompts begin where nothing is cached if others decode, as in `step_seconds`."""
    prefills, decodes = step.prefill_sequences, step.decode_sequences
    before = step.context_tokens - step.prefill_tokens
    for index in range(prefills):
        tokens = step.prefill_tokens // prefills + (index < step.prefill_tokens % prefills)
        yield Span(0 if decodes else before // prefills, tokens)
    for index in range(decodes):
        yield Span(max(0, before // decodes + (index < before % decodes) - 1), 1)
