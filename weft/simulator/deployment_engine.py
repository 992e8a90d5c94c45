"""How the engines of a deployment are set up."""

from functools import partial
from typing import TYPE_CHECKING

from weft.engine.config import UNBOUNDED_TOKENS, EngineConfig
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats
from weft.simulator.simulated_drafts import SimulatedDrafter

if TYPE_CHECKING:
    from weft.simulator.deployment_options import DeploymentOptions


def engine_config(
    spec: ModelSpec, formats: Formats, options: "DeploymentOptions", num_blocks: int, block_bytes: int
) -> EngineConfig:
    """Nothing is refused for waiting too long: what a queue does under overload is to be seen."""
    serving, drafts = options.serving, options.speculation
    layout = spec.state_layout(formats.state, serving.block_tokens)
    host_blocks = serving.swap_memory_bytes // block_bytes
    default_preempt = "latest_first_swap" if host_blocks else "latest_first"
    names = [group.name for group in layout.groups]
    return EngineConfig(
        layout,
        dict.fromkeys(names, num_blocks),
        dict.fromkeys(names, host_blocks) if host_blocks else {},
        max_step_tokens=serving.max_num_batched_tokens,
        max_running=serving.max_num_seqs,
        max_queued_tokens=UNBOUNDED_TOKENS,
        prefix_caching=serving.enable_prefix_caching,
        order=options.order,
        budget=options.budget,
        preempt=options.preempt or default_preempt,
        retain=options.retain,
        draft=None if drafts is None else partial(SimulatedDrafter, drafts.num_tokens),
    )
