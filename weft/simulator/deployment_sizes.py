"""How long sequences of a deployment may be, and how many blocks hold them."""

from math import inf

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.contracts.state import PagedGroup
from weft.costs.memory import Memory
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats
from weft.model_specs.plan import Plan
from weft.model_specs.shard import Shard
from weft.simulator.speculation import Speculation


def longest_tokens(spec: ModelSpec, serving: ServingOptions) -> int:
    """Of a sequence: what the model was made for, or what was asked for; raises `ConfigurationError` above that."""
    longest = serving.max_model_len or spec.max_length_tokens
    if longest > spec.max_length_tokens:
        raise ConfigurationError(
            f"max_model_len is {longest}; the model was made for at most {spec.max_length_tokens}"
        )
    return longest


def device_blocks(memory: Memory, serving: ServingOptions, longest: int) -> int:
    """What fits, or what was asked for; a sequence of the greatest length must fit, with a block to copy to.
    Raises `ConfigurationError` where it does not."""
    given_bytes = serving.kv_cache_memory_bytes
    if given_bytes is not None and given_bytes > memory.state_bytes:
        raise ConfigurationError(
            f"kv_cache_memory_bytes is {given_bytes}; {memory.state_bytes} are left on a device beside weights and "
            "activations"
        )
    found = memory.num_blocks if given_bytes is None else given_bytes // memory.block_bytes
    needed = -(-longest // serving.block_tokens) + 1
    if found < needed:
        fitting = max(0, (found - 1) * serving.block_tokens)
        raise ConfigurationError(
            f"a sequence of {longest} tokens needs {needed} blocks of key-value cache and there is room for {found}; "
            f"set max_model_len to at most {fitting}, cut the model finer, or take devices with more memory"
        )
    return found


def swapped_block_bytes(
    spec: ModelSpec, plan: Plan, formats: Formats, block_tokens: int, drafts: Speculation | None
) -> tuple[int, ...]:
    """Per state group, on the device that has the most of it; a draft model's state goes with the group that sees
    farthest."""
    most = {group.name: 0 for group in spec.layer_groups}
    for stage in range(plan.pp):
        for group in Shard(spec, plan).state_layout(stage, formats.state, block_tokens).groups:
            assert isinstance(group, PagedGroup)
            most[group.name] = max(most[group.name], group.bytes_per_token * block_tokens)
    if drafts is not None:
        farthest = max(spec.layer_groups, key=lambda group: group.window_tokens or inf)
        most[farthest.name] += drafts.block_bytes
    return tuple(most.values())
