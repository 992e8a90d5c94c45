"""This machine, as a calibration knows it, in the place of hardware from the catalogue."""

from dataclasses import replace
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import number_format
from weft.contracts.options import AUTO, ServingOptions
from weft.costs.local_profile import LocalProfile, find_profile
from weft.costs.memory import Memory, weights_bytes
from weft.executor.sizing import Demand, blocks_wanted, size_bytes
from weft.hardware.catalogue import MACHINES
from weft.hardware.cluster import Cluster, Node
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats
from weft.model_specs.plan import ONE_DEVICE, Plan
from weft.model_specs.shard import Shard

LOCAL = "local"

CACHE_SHARE = 0.5
"""Of free memory, as `weft serve` takes on a CPU."""


def is_local(hardware: str) -> bool:
    """Whether `hardware` is this machine, or another that was calibrated."""
    return hardware.partition(":")[0].strip().lower() == LOCAL


def local_profile(hardware: str, spec: ModelSpec, model: str) -> LocalProfile | None:
    """Of `local`, or of `local:FILE`; None for other hardware. Raises `ConfigurationError` where there is no profile
    of the model."""
    if not is_local(hardware):
        return None
    file = hardware.strip().partition(":")[2]
    return find_profile(spec, model, Path(file).expanduser() if file else None)


def check_local(
    profile: LocalProfile, plan: Plan, serving: ServingOptions, chosen: dict[str, object]
) -> None:
    """Raises `ConfigurationError` for what a profile says nothing of: several devices, other formats, what is `chosen`
    beside them."""
    measured = profile.serving["dtype"]
    given = {name: value for name, value in chosen.items() if value not in (None, AUTO)}
    if plan != ONE_DEVICE:
        given["the plan"] = f"of {plan.num_devices} devices"
    if serving.dtype not in (AUTO, measured):
        given["dtype"] = serving.dtype
    for name, value in given.items():
        raise ConfigurationError(
            f"{name} is {value}, and hardware 'local' was calibrated on one device in {measured} without it; leave it "
            "out, or name hardware of the catalogue"
        )


def local_formats(profile: LocalProfile) -> Formats:
    """All in the one that was measured."""
    number = number_format(profile.serving["dtype"])
    return Formats(number, number, number)


def local_cluster(profile: LocalProfile, spec: ModelSpec) -> Cluster:
    """One device; of what stands for CPUs in general only the links stay, and nothing moves over them."""
    general = MACHINES["cpu"]
    processor = f"this machine ({profile.machine.get('processor')})"
    source = f"{profile.profile}: memory that was free"
    device = replace(
        general.device,
        name=processor,
        memory_bytes=profile.memory_bytes,
        power_peak_watts=None,
        sources={**general.device.sources, "memory_bytes": source},
    )
    layout = spec.state_layout(local_formats(profile).state, profile.block_tokens)
    block_bytes = size_bytes(layout, {group.name: 1 for group in layout.groups})
    return Cluster(Node(device, 1, general.device_link, profile.host_link(block_bytes)))


def local_memory(
    profile: LocalProfile, spec: ModelSpec, serving: ServingOptions, longest_tokens: int
) -> Memory:
    """As `weft serve` divides it: half of what is free, and no more than all sequences could need."""
    formats = local_formats(profile)
    layout = spec.state_layout(formats.state, serving.block_tokens)
    one_each = {group.name: 1 for group in layout.groups}
    block_bytes = size_bytes(layout, one_each)
    demand = Demand(longest_tokens, serving.max_num_seqs, serving.max_num_batched_tokens)
    wanted = max(blocks_wanted(layout, demand).values())
    state_bytes = int(CACHE_SHARE * profile.memory_bytes)
    num_blocks = min(state_bytes // block_bytes, wanted)
    weights = weights_bytes(Shard(spec, ONE_DEVICE), 0, formats)
    return Memory(weights, 0, state_bytes, block_bytes, num_blocks)
