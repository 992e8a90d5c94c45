"""The roofline (Williams et al., Commun. ACM 52, 2009): an operation takes what its flops take at the device's peak, or
what its bytes take at its memory's bandwidth, whichever is longer.

A pass is fused: each weight is read once for all tokens, and the attention of all sequences with one new token is
one kernel per layer, that of all longer chunks another. Nothing overlaps otherwise, and no operation has a cost of
its own to start, so this is a bound that real kernels stay above (docs/costs.md says by how much). Where kernels were
measured, `KernelRatios` scale it to what they took.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import AnyFormat
from weft.costs.cost import FULL_SPEED, Cost, DeviceState
from weft.costs.kernel_ratios import Correction, KernelRatios, alike, alone_key_s, overhang_s
from weft.costs.servers import FREE, ServerConstants
from weft.costs.topology import Topology
from weft.hardware.cluster import Cluster
from weft.hardware.device import Device
from weft.model_specs.operations import Operation, OperationKind, Size
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

    def seconds(self, flops: float, moved_bytes: float, number_format: AnyFormat) -> float:
        """The longer of the two times."""
        bytes_s = moved_bytes / self.bandwidth
        return max(flops / self.peak_flops(number_format), bytes_s) if flops else bytes_s


@dataclass(frozen=True, slots=True)
class Machine:
    """What kernels and communications are bounded by, and how far measured ones are from that. `all_reduce_slack`: see
    `ServerConstants`."""

    ceilings: Ceilings
    topology: Topology
    ratios: KernelRatios | None = None
    all_reduce_slack: float = 1.0

    def seconds(self, operation: Operation) -> float:
        """Of an operation as `fused` leaves it, or of a communication."""
        seconds = self._bound_s(operation)
        if self.ratios is not None:
            seconds = _correction(self.ratios, operation).seconds(seconds)
            if operation.kind is OperationKind.ATTENTION and is_single(operation):
                seconds += self._overhang_s(operation, self.ratios)
        return self.all_reduce_slack * seconds if operation.kind is OperationKind.ALL_REDUCE else seconds

    def _overhang_s(self, operation: Operation, ratios: KernelRatios) -> float:
        """Flops and bytes of a span are linear in what it sees, so those beyond the mean tell of a key's."""
        sizes, corrections = dict(operation.shape), ratios.of_attention(operation)
        number, longest = sizes["spans"], sizes["longest_visible"]
        more = longest - sizes["visible"] / number
        if more <= 0.0 or not corrections.waits_for_longest(number, bool(sizes["beside_chunks"])):
            return 0.0
        flops = sizes["longest_flops"] - operation.flops / number
        moved_bytes = sizes["longest_bytes"] - operation.moved_bytes / number
        more_s = self.ceilings.seconds(flops, moved_bytes, input_format(operation))
        return overhang_s(alone_key_s(corrections, more_s / more), number, sizes["visible"], longest)

    def _bound_s(self, operation: Operation) -> float:
        if operation.communication is not None:
            return self.topology.seconds(operation)
        return self.ceilings.seconds(operation.flops, operation.moved_bytes, input_format(operation))


@dataclass(frozen=True, slots=True)
class Roofline:
    """A `CostModel` of a plan on a cluster, of a server with these constants. `ratios`: None is the plain roofline."""

    cluster: Cluster
    plan: Plan = ONE_DEVICE
    server: ServerConstants = FREE
    ratios: KernelRatios | None = None

    def __post_init__(self) -> None:
        Topology(self.cluster, self.plan)

    @property
    def profile(self) -> str:
        """What predictions rest on."""
        return f"roofline of {self.cluster.device.name}" if self.ratios is None else self.ratios.profile

    @property
    def relative_error(self) -> float | None:
        """How far from a prediction, as a share of it, four fifths of what was measured lay at most; None for a server
        of which nothing was: what is known of its kernels alone says too little."""
        if self.ratios is None:
            return MEASURED_ERROR
        return self.ratios.relative_error if self.server == FREE else self.server.relative_error

    @property
    def step_error(self) -> float | None:
        """As `relative_error`, of single steps, where more is known of these."""
        known = None if self.ratios is None else self.server.step_error
        return self.relative_error if known is None else known

    def machine(self, device_state: DeviceState = FULL_SPEED) -> Machine:
        """Raises `ConfigurationError` for a state of which a roofline cannot tell."""
        topology, slack = Topology(self.cluster, self.plan), self.server.all_reduce_slack
        return Machine(Ceilings(self.cluster.device, device_state), topology, self.ratios, slack)

    def predict(self, operations: Iterable[Operation], device_state: DeviceState = FULL_SPEED) -> Cost:
        """The cost of a pass; of nothing where there is no operation."""
        machine = self.machine(device_state)
        stages, links = [0.0] * self.plan.pp, defaultdict[str, float](float)
        kernels = fused(operations)
        for operation in kernels:
            stages[operation.stage] += machine.seconds(operation)
            for link, sent in machine.topology.link_bytes(operation).items():
                links[link] += sent
        num_sequences = _num_sequences(kernels)
        seconds = self.server.seconds(sum(stages), num_sequences) if kernels else 0.0
        joules = self.joules(seconds, num_sequences=num_sequences)
        stage_seconds = tuple(self.server.slack * each for each in stages)
        return Cost(seconds, stage_seconds, joules, dict(links), self.relative_error, self.profile)

    def joules(self, seconds: float, num_passes: int = 1, num_sequences: int = 0) -> float | None:
        """At most what the devices of a copy draw in passes of that length together, over so many sequences in all:
        each its board's power, while its stage computes and while the host is at work."""
        watts = self.cluster.device.power_peak_watts
        if watts is None or seconds == 0.0:
            return None if watts is None else 0.0
        host_s = num_passes * self.server.step_s + num_sequences * self.server.sequence_s
        return watts * self.plan.stage_devices * (seconds + (self.plan.pp - 1) * host_s)


def input_format(operation: Operation) -> AnyFormat:
    """In which its products are computed."""
    formats = dict(operation.formats)
    return formats.get("input", formats["output"])


def fused(operations: Iterable[Operation]) -> list[Operation]:
    """The operations, with the attention of a layer as at most two: of single tokens and of longer chunks. The shapes
    of these have sums over their spans, how many `spans` they are, whether single tokens are `beside_chunks`, and what
    the longest of them sees, computes and moves."""
    kept: list[Operation] = []
    kernels: dict[tuple[int | None, bool], list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.kind is OperationKind.ATTENTION:
            kernels[operation.layer, is_single(operation)].append(operation)
        else:
            kept.append(operation)
    beside = {layer for layer, single in kernels if not single}
    return kept + [_sum(parts, single and layer in beside) for (layer, single), parts in kernels.items()]


def is_single(operation: Operation) -> bool:
    """Whether an attention is of one token, or of one of each sequence."""
    sizes = dict(operation.shape)
    return sizes["tokens"] == sizes.get("spans", 1)


def _sum(parts: list[Operation], beside_chunks: bool) -> Operation:
    """Of the heads of the first, which tell what kind of attention it is."""
    first, shapes = parts[0], [_of_span(part) for part in parts]
    shapes[0]["beside_chunks"] = int(beside_chunks)
    longest = max(shapes, key=lambda shape: shape["longest_visible"])
    shapes[0] |= {name: longest[name] for name in longest if name.startswith("longest_")}
    summed = {name: sum(shape[name] for shape in shapes) for name in ("spans", "tokens", "visible", "pairs")}
    return Operation(
        name=first.name,
        layer=first.layer,
        kind=first.kind,
        shape=tuple(Size(name, value) for name, value in (shapes[0] | summed).items()),
        formats=first.formats,
        flops=sum(part.flops for part in parts),
        weight_bytes=sum(part.weight_bytes for part in parts),
        read_bytes=sum(part.read_bytes for part in parts),
        written_bytes=sum(part.written_bytes for part in parts),
        stage=first.stage,
    )


def _of_span(part: Operation) -> dict[str, int]:
    """Its shape, of which it is itself the longest; or as it is, where it is made of several already."""
    shape = dict(part.shape)
    own = {
        "longest_visible": shape["visible"],
        "longest_flops": part.flops,
        "longest_bytes": part.moved_bytes,
    }
    return {"spans": 1, **own, **shape}


def _num_sequences(kernels: Iterable[Operation]) -> int:
    """Of a pass, from the attention of any of its layers."""
    spans: dict[int | None, int] = defaultdict(int)
    for each in kernels:
        if each.kind is OperationKind.ATTENTION:
            spans[each.layer] += dict(each.shape)["spans"]
    return max(spans.values(), default=0)


def _correction(ratios: KernelRatios, operation: Operation) -> Correction:
    if operation.kind is not OperationKind.ATTENTION:
        return ratios.of_operation(operation)
    sizes, corrections = dict(operation.shape), ratios.of_attention(operation)
    if is_single(operation):
        single = corrections.single_beside_chunks if sizes["beside_chunks"] else corrections.single
        return single(sizes["spans"], alike(sizes["visible"])[0])
    return corrections.chunks(sizes["spans"], sizes["tokens"], sizes["visible"], sizes["pairs"])
