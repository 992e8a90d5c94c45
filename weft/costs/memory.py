"""How a device's memory divides into weights, activations and state, as a server would divide it."""

from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError
from weft.contracts.state import DEFAULT_BLOCK_TOKENS, PagedGroup
from weft.hardware.device import Device
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats, ForwardWork, Operation, OperationKind, Span
from weft.model_specs.plan import Plan
from weft.model_specs.shard import Shard

GIBIBYTE = 1 << 30

DEFAULT_UTILIZATION = 0.9
"""The share of a device's memory that vLLM takes (`gpu_memory_utilization`, version 0.11)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the device that has the least room for state, and the blocks that fit on every device.

    `block_bytes`: of a block of each state group together, as each group gets `num_blocks`.
    """

    weights_bytes: int
    activation_bytes: int
    state_bytes: int
    block_bytes: int
    num_blocks: int


def divide_memory(
    spec: ModelSpec,
    plan: Plan,
    device: Device,
    formats: Formats,
    *,
    max_num_batched_tokens: int,
    max_num_seqs: int,
    utilization: float = DEFAULT_UTILIZATION,
    block_tokens: int = DEFAULT_BLOCK_TOKENS,
) -> Memory:
    """`utilization` times the capacity, less weights and activations, in whole blocks.

    Activations are those of the largest operation of a full step beside its residual stream. Raises
    `ConfigurationError` where not one block fits.
    """
    if not 0.0 < utilization <= 1.0:
        raise ConfigurationError(f"utilization is {utilization}; it must be above 0 and at most 1")
    usable_bytes = int(device.figure("memory_bytes") * utilization)
    shard, least = Shard(spec, plan), None
    for stage in range(plan.pp):
        weights = weights_bytes(shard, stage, formats)
        activations = activation_bytes(shard, stage, formats, max_num_batched_tokens, max_num_seqs)
        state = usable_bytes - weights - activations
        block = _block_bytes(shard, stage, formats, block_tokens)
        if state < block:
            raise ConfigurationError(_no_room(device, plan, usable_bytes, weights, activations, block))
        found = Memory(weights, activations, state, block, state // block)
        least = found if least is None or found.num_blocks < least.num_blocks else least
    assert least is not None, "a plan has at least one stage"
    return least


def weights_bytes(shard: Shard, stage: int, formats: Formats) -> int:
    """Of a device of a stage: what a step reads that touches every expert, and the whole tables."""
    return _layers_bytes(shard, stage, formats) + _tables_bytes(shard, stage, formats)


def activation_bytes(
    shard: Shard, stage: int, formats: Formats, max_num_batched_tokens: int, max_num_seqs: int
) -> int:
    """Operands and results of the largest operation, and the residual stream."""
    outputs = min(max_num_seqs, max_num_batched_tokens)
    work = ForwardWork((Span(0, max_num_batched_tokens),), outputs)
    listed = ForwardPass(shard, work, formats).stage_operations(stage)
    largest = max(
        each.read_bytes + each.written_bytes for each in listed if each.kind is not OperationKind.ATTENTION
    )
    residual = shard.own_units(max_num_batched_tokens) * shard.spec.hidden_size
    return largest + residual * formats.activation.num_bytes


def _layers_bytes(shard: Shard, stage: int, formats: Formats) -> int:
    experts, expert_layers = shard.spec.experts, shard.spec.expert_layers
    num_units = shard.plan.cp * (2 if experts is None else max(2, experts.num_experts))
    distinct = None if experts is None else (experts.num_experts,) * len(expert_layers)
    work = ForwardWork((Span(0, num_units),), 1, distinct)
    return sum(map(_read_weights, ForwardPass(shard, work, formats).stage_operations(stage)))


def _read_weights(operation: Operation) -> int:
    """Rows of tables are counted with the tables."""
    return 0 if operation.kind is OperationKind.EMBEDDING else operation.weight_bytes


def _tables_bytes(shard: Shard, stage: int, formats: Formats) -> int:
    """Of the first stage: embeddings, where the logits do not use the same table there, and positions."""
    if stage > 0:
        return 0
    is_counted = shard.spec.ties_embeddings and shard.plan.pp == 1
    rows = (0 if is_counted else shard.vocab_size) + shard.spec.structure.learned_positions
    return rows * shard.spec.hidden_size * formats.weight.num_bytes


def _block_bytes(shard: Shard, stage: int, formats: Formats, block_tokens: int) -> int:
    layout = shard.state_layout(stage, formats.state, block_tokens)
    paged = [group for group in layout.groups if isinstance(group, PagedGroup)]
    return sum(group.bytes_per_token * block_tokens for group in paged)


def _no_room(device: Device, plan: Plan, usable: int, weights: int, activations: int, block: int) -> str:
    gibibytes = [f"{each / GIBIBYTE:.1f}" for each in (weights, activations, usable)]
    more = -(-(weights + activations + block) // max(usable, 1))
    return (
        f"the model does not fit on {device.name}: weights need {gibibytes[0]} GiB and activations {gibibytes[1]} GiB "
        f"of the {gibibytes[2]} GiB to be used per device; cut it {more} times finer (tp {plan.tp}, pp {plan.pp} and "
        f"ep {plan.ep} now), or take a device with more memory"
    )
