"""The roofline (Williams et al., Commun. ACM 52, 2009): an operation takes what its flops take at the device's peak, or
what its bytes take at its memory's bandwidth, whichever is longer.

A pass is fused: each weight is read once for all tokens, and the attention of all sequences with one new token is
one kernel per layer, that of all longer chunks another. Nothing overlaps otherwise, and no operation has a cost of
its own to start, so this is a bound that real kernels stay above (docs/costs.md says by how much).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import AnyFormat
from weft.costs.cost import FULL_SPEED, Cost, DeviceState
from weft.costs.topology import Topology
from weft.hardware.cluster import Cluster
from weft.hardware.device import Device
from weft.model_specs.operations import Operation, OperationKind
from weft.model_specs.plan import ONE_DEVICE, Plan

MEASURED_ERROR = 0.92
"""Four fifths of 165 measured times per output token took at most 1.92 times the prediction: Llama-3.1-8B and Qwen3-32B
in bfloat16 on 1 to 8 H100, three servers, closed loop (ai-dynamo/aiconfigurator, silicon data; those with a time to
first token below 5 s). Other devices are taken to be like these."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What bounds a device in a state: both ceilings of its roofline, in flops and bytes per second."""

    device: Device
    state: DeviceState = FULL_SPEED

    def __post_init__(self) -> None:
        if self.state.power_cap_watts is not None:
            raise ConfigurationError(
                "power_cap_watts: a roofline cannot tell how a cap slows a device; set frequency_hz instead"
            )
        frequency, device = self.state.frequency_hz, self.device
        if frequency is None:
            return
        lowest, highest = device.lowest_frequency_hz or 0.0, device.figure("peak_frequency_hz")
        if not lowest <= frequency <= highest or frequency <= 0.0:
            raise ConfigurationError(
                f"frequency_hz is {frequency:g}; {device.name} runs at {lowest:g} to {highest:g}"
            )

    def peak_flops(self, number_format: AnyFormat) -> float:
        """In proportion to the clock."""
        peak = self.device.peak(number_format)
        if self.state.frequency_hz is None:
            return peak
        return peak * self.state.frequency_hz / self.device.figure("peak_frequency_hz")

    @property
    def bandwidth(self) -> float:
        """Of the device's memory, whose clock is its own."""
        return self.device.figure("memory_bandwidth")

    def seconds(self, flops: int, moved_bytes: int, number_format: AnyFormat) -> float:
        """The longer of the two times."""
        bytes_s = moved_bytes / self.bandwidth
        return max(flops / self.peak_flops(number_format), bytes_s) if flops else bytes_s


@dataclass(frozen=True, slots=True)
class Roofline:
    """A `CostModel` of a plan on a cluster. `host_overhead_s`: added to each pass; see `host_overhead`."""

    cluster: Cluster
    plan: Plan = ONE_DEVICE
    host_overhead_s: float = 0.0

    def __post_init__(self) -> None:
        Topology(self.cluster, self.plan)
        if not 0.0 <= self.host_overhead_s < float("inf"):
            raise ConfigurationError(f"host_overhead_s is {self.host_overhead_s}; it must be at least 0")

    @property
    def profile(self) -> str:
        """What predictions rest on."""
        return f"roofline of {self.cluster.device.name}"

    def predict(self, operations: Iterable[Operation], device_state: DeviceState = FULL_SPEED) -> Cost:
        """The cost of a pass; of nothing where there is no operation."""
        ceilings, topology = Ceilings(self.cluster.device, device_state), Topology(self.cluster, self.plan)
        stages, links = [0.0] * self.plan.pp, defaultdict[str, float](float)
        listed = list(operations)
        for operation in fused(listed):
            stages[operation.stage] += operation_seconds(operation, ceilings, topology)
            for link, sent in topology.link_bytes(operation).items():
                links[link] += sent
        seconds = sum(stages) + self.host_overhead_s if listed else 0.0
        return Cost(seconds, tuple(stages), self.joules(seconds), dict(links), MEASURED_ERROR, self.profile)

    def joules(self, seconds: float, num_passes: int = 1) -> float | None:
        """At most what the devices of a copy draw in passes of that length together: each its board's power, while its
        stage computes and while the host keeps all of them waiting."""
        watts = self.cluster.device.power_peak_watts
        if watts is None or seconds == 0.0:
            return None if watts is None else 0.0
        waiting_s = num_passes * (self.plan.pp - 1) * self.host_overhead_s
        return watts * self.plan.stage_devices * (seconds + waiting_s)


def operation_seconds(operation: Operation, ceilings: Ceilings, topology: Topology) -> float:
    """Of an operation, or of a communication."""
    if operation.communication is not None:
        return topology.seconds(operation)
    return ceilings.seconds(operation.flops, operation.moved_bytes, input_format(operation))


def input_format(operation: Operation) -> AnyFormat:
    """In which its products are computed."""
    formats = dict(operation.formats)
    return formats.get("input", formats["output"])


def fused(operations: Iterable[Operation]) -> list[Operation]:
    """The operations, with the attention of a layer as at most two: of single tokens and of longer chunks."""
    kept: list[Operation] = []
    kernels: dict[tuple[int | None, bool], list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.kind is OperationKind.ATTENTION:
            kernels[operation.layer, is_single(operation)].append(operation)
        else:
            kept.append(operation)
    return kept + [_sum(parts) for parts in kernels.values()]


def is_single(operation: Operation) -> bool:
    """Whether an attention is of one token."""
    return dict(operation.shape)["tokens"] == 1


def _sum(parts: list[Operation]) -> Operation:
    """Of the shape of the first, which tells what kind of attention it is."""
    first = parts[0]
    return Operation(
        name=first.name,
        layer=first.layer,
        kind=first.kind,
        shape=first.shape,
        formats=first.formats,
        flops=sum(part.flops for part in parts),
        weight_bytes=sum(part.weight_bytes for part in parts),
        read_bytes=sum(part.read_bytes for part in parts),
        written_bytes=sum(part.written_bytes for part in parts),
        stage=first.stage,
    )
