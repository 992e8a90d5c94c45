"""Where prefill and decode sit on each device's roofline."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from weft.costs.roofline import Roofline, fused, input_format
from weft.hardware.cluster import Cluster
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats, ForwardWork, Operation, Span
from weft.model_specs.plan import ONE_DEVICE


class RooflineRow(NamedTuple):
    """One step on one device.

    `intensity`: flops per byte that the step moves. `ridge`: at which both ceilings of the device meet. `bound`: by
    which the step as a whole is bounded. `compute_share`: of its time, what is spent in operations that flops bound.
    """

    device: str
    phase: str
    num_tokens: int
    context_tokens: int
    flops: int
    moved_bytes: int
    intensity: float
    ridge: float
    bound: Literal["compute", "memory"]
    compute_share: float
    seconds: float


def roofline_rows(
    spec: ModelSpec,
    clusters: Iterable[Cluster],
    formats: Formats,
    *,
    prompt_tokens: Sequence[int] = (512, 2048, 8192),
    batch_sizes: Sequence[int] = (1, 16, 64, 256),
    context_tokens: int = 1024,
) -> list[RooflineRow]:
    """For each device (the first of each cluster alone), prefills of one prompt and decodes of several sequences."""
    rows = []
    for cluster in clusters:
        roofline = Roofline(cluster)
        for tokens in prompt_tokens:
            rows.append(_row("prefill", spec, roofline, formats, ForwardWork((Span(0, tokens),), 1)))
        for batch in batch_sizes:
            spans = (Span(context_tokens - 1, 1),) * batch
            rows.append(_row("decode", spec, roofline, formats, ForwardWork(spans, batch)))
    return rows


def _row(phase: str, spec: ModelSpec, roofline: Roofline, formats: Formats, work: ForwardWork) -> RooflineRow:
    listed = fused(spec.operations(work, *formats, ONE_DEVICE))
    flops, moved_bytes = sum(each.flops for each in listed), sum(each.moved_bytes for each in listed)
    device, seconds = roofline.cluster.device, roofline.predict(listed).seconds
    ridge = device.peak(formats.activation) / device.figure("memory_bandwidth")
    return RooflineRow(
        device=device.name,
        phase=phase,
        num_tokens=work.num_units,
        context_tokens=max(span.start + span.num_units for span in work.spans),
        flops=flops,
        moved_bytes=moved_bytes,
        intensity=flops / moved_bytes,
        ridge=ridge,
        bound="compute" if flops / moved_bytes > ridge else "memory",
        compute_share=sum(_compute_seconds(each, roofline) for each in listed) / seconds,
        seconds=seconds,
    )


def _compute_seconds(operation: Operation, roofline: Roofline) -> float:
    """Of an operation that flops bound; else 0."""
    device = roofline.cluster.device
    if operation.flops == 0:
        return 0.0
    compute_s = operation.flops / device.peak(input_format(operation))
    return compute_s if compute_s > operation.moved_bytes / device.figure("memory_bandwidth") else 0.0
