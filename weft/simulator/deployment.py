"""A model on simulated hardware: what is served, by how many replicas, with how much room and at what cost."""

from dataclasses import dataclass, replace

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import number_format
from weft.contracts.options import AUTO
from weft.costs.local_profile import LocalProfile
from weft.costs.memory import Memory, divide_memory
from weft.costs.roofline import Roofline
from weft.costs.serving_costs import ServingCosts
from weft.costs.step_costs import StepCosts
from weft.engine.config import EngineConfig
from weft.hardware.cluster import Cluster, Link
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats
from weft.model_specs.plan import Plan
from weft.model_specs.quantization import find_quantization, find_state_format
from weft.simulator.deployment_cluster import chosen_cluster
from weft.simulator.deployment_costs import chosen_roofline
from weft.simulator.deployment_engine import engine_config
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.deployment_sizes import device_blocks, longest_tokens, swapped_block_bytes
from weft.simulator.local_deployment import (
    check_local,
    local_cluster,
    local_formats,
    local_memory,
    local_profile,
)
from weft.simulator.speculation import (
    Speculation,
    plan_speculation,
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that replicas have in common.

    `cluster`: what one of them has at its disposal. `config`: of each engine. `windows_tokens`, and `block_bytes`
    on the device that holds the most, are per state group; a draft model's state is counted with the group that sees
    farthest. `roofline`: what predictions rest on; of a machine that was calibrated, its profile. `speculation`: the
    draft model, where there is one.
    """

    spec: ModelSpec
    plan: Plan
    cluster: Cluster
    formats: Formats
    memory: Memory
    max_model_len: int
    config: EngineConfig
    roofline: Roofline | LocalProfile
    costs: ServingCosts
    block_bytes: tuple[int, ...]
    speculation: Speculation | None
    options: DeploymentOptions

    @property
    def windows_tokens(self) -> tuple[int | None, ...]:
        """Per state group, how far back its layers see."""
        return tuple(group.window_tokens for group in self.spec.layer_groups)

    @property
    def host_link(self) -> Link:
        """Between each device and host memory."""
        return self.cluster.node.host_link

    @property
    def depth(self) -> int:
        """Steps in flight. One where a draft model goes on from the tokens of the step before: with two, the sequences
        would fall into halves that take turns, and each step would read all weights for one of them."""
        return self.options.serving.depth if self.speculation is None else 1

    @property
    def num_devices(self) -> int:
        """Of all replicas."""
        return self.options.replicas // self.plan.dp * self.plan.num_devices

    @property
    def price_per_hour(self) -> float | None:
        """Of all devices in use, in US dollars; None where no source states it."""
        price = self.cluster.device.price_per_hour
        return None if price is None else price * self.num_devices


def plan_deployment(model: str, options: DeploymentOptions) -> Deployment:
    """A model by name or path, as the options say.

    Raises `ConfigurationError` for what cannot be: an unknown name, a plan that does not divide the model or does
    not fit the hardware, a model or a longest sequence that does not fit its memory.
    """
    spec, serving = find_model(model), options.serving
    plan = Plan(tp=options.tp, pp=options.pp, dp=options.dp, ep=options.ep, cp=options.cp)
    calibrated = local_profile(options.hardware, spec, model)
    if calibrated is not None:
        return _plan_local(spec, calibrated, plan, options)
    cluster = chosen_cluster(options.hardware, plan, options.replicas)
    formats = _formats(spec, options)
    roofline = chosen_roofline(cluster, plan, options.server, options.profiles)
    memory = divide_memory(
        spec,
        plan,
        cluster.device,
        formats,
        max_num_batched_tokens=serving.max_num_batched_tokens,
        max_num_seqs=serving.max_num_seqs * options.most_tokens_per_decode,
        block_tokens=serving.block_tokens,
    )
    longest = longest_tokens(spec, serving)
    drafts = _speculation(spec, options, roofline, longest)
    if drafts is not None:
        memory = drafts.beside(memory, serving.max_num_batched_tokens, serving.max_num_seqs)
    num_blocks = device_blocks(memory, serving, longest)
    return Deployment(
        spec,
        plan,
        cluster,
        formats,
        memory,
        longest,
        engine_config(spec, formats, options, num_blocks, memory.block_bytes),
        roofline,
        StepCosts(spec, formats, roofline),
        swapped_block_bytes(spec, plan, formats, serving.block_tokens, drafts),
        drafts,
        options,
    )


def _plan_local(spec: ModelSpec, profile: LocalProfile, plan: Plan, options: DeploymentOptions) -> Deployment:
    """This machine is one device, and its server is ours."""
    serving = options.serving
    check_local(
        profile,
        plan,
        serving,
        {
            "quantization": options.quantization,
            "kv_cache_dtype": options.kv_cache_dtype,
            "speculative_model": options.speculative_model,
        },
    )
    formats, longest = local_formats(profile), longest_tokens(spec, serving)
    memory = local_memory(profile, spec, serving, longest)
    num_blocks = device_blocks(memory, serving, longest)
    return Deployment(
        spec,
        plan,
        local_cluster(profile, spec),
        formats,
        memory,
        longest,
        engine_config(spec, formats, options, num_blocks, memory.block_bytes),
        profile,
        profile.costs(),
        swapped_block_bytes(spec, plan, formats, serving.block_tokens, None),
        None,
        replace(options, server="weft"),
    )


def _speculation(
    spec: ModelSpec, options: DeploymentOptions, roofline: Roofline, longest: int
) -> Speculation | None:
    """The draft model in its own format, its cache in the format chosen for the served model's."""
    chosen = options.speculation
    if chosen is None:
        return None
    try:
        draft = find_model(chosen.model)
    except ConfigurationError as error:
        raise ConfigurationError(f"speculative_model: {error}") from None
    formats = _formats(draft, replace(options, quantization=None))
    return plan_speculation(chosen, spec, draft, formats, roofline, longest, options.serving.block_tokens)


def _formats(spec: ModelSpec, options: DeploymentOptions) -> Formats:
    dtype = options.serving.dtype
    number = spec.stored_format if dtype == AUTO else number_format(dtype)
    state = find_state_format(options.kv_cache_dtype, number)
    return Formats(number, state, number, find_quantization(options.quantization))
