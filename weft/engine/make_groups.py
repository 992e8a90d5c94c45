"""From a model's state layout to the pools and tables that hold it."""

from weft.contracts.state import ConstantGroup, EncoderGroup, PagedGroup, StateGroup
from weft.engine.block_pool import BlockPool
from weft.engine.config import EngineConfig, Reservation
from weft.engine.constant_state import ConstantState
from weft.engine.deferred import Deferred
from weft.engine.encoder_state import EncoderState
from weft.engine.group_state import GroupState
from weft.engine.paged_state import PagedState, ReservedState
from weft.engine.prefix_keys import PrefixKeys
from weft.policies.registry import make_retain_policy


def make_groups(config: EngineConfig, keys: PrefixKeys, deferred: Deferred) -> list[GroupState]:
    """One pool and its tables for each group of the layout, in its order."""
    return [_make(config, keys, deferred, index, group) for index, group in enumerate(config.layout.groups)]


def _make(
    config: EngineConfig, keys: PrefixKeys, deferred: Deferred, index: int, group: StateGroup
) -> GroupState:
    pool = BlockPool(config.num_blocks[group.name], make_retain_policy(config.retain))
    common = (index, pool, config.layout.block_tokens, deferred)
    match group:
        case PagedGroup() if config.reservation is Reservation.WORST_CASE:
            return ReservedState(*common, None, config.max_step_tokens)
        case PagedGroup():
            return PagedState(*common, group.window_tokens, config.max_step_tokens)
        case ConstantGroup():
            return ConstantState(*common, group.snapshot_blocks)
        case EncoderGroup():
            return EncoderState(*common, keys)
