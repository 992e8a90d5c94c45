"""How near the `cpu` backend's kernels come to what the machine can do: each linear layer of a model beside ceilings
of the same run."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from weft.measurement.bench_model import RANDOM_MODEL
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec

if TYPE_CHECKING:
    from weft.ops.cpu.products import Products
    from weft.ops.cpu.trials import Call, Layers, Pass

PREFILL_TOKENS = 512
"""So many rows are one sequence, whose last token alone goes through the head; fewer are one token of each."""
PROBED_BYTES = 1 << 28
PEAK_SECONDS = 0.02
PEAK_KINDS = ("int8", "bfloat16", "float32")
ALL = "all"


class Ceilings(NamedTuple):
    """Bytes that all threads can read per second, and operations that they can do; 0 for instructions there are not."""

    bytes_per_s: float
    int8_per_s: float
    bfloat16_per_s: float
    float32_per_s: float


class Figures(NamedTuple):
    """One layer of a model, over all its copies: seconds of a pass, and what that is per second."""

    format: str
    rows: int
    layer: str
    seconds: float
    bytes_per_s: float
    operations_per_s: float
    tokens_per_s: float


def measure_ceilings(products: "Products") -> Ceilings:
    """What this machine can do now."""
    engine = products.engine
    return Ceilings(
        engine.read_bandwidth(PROBED_BYTES), *(engine.peak(kind, PEAK_SECONDS) for kind in PEAK_KINDS)
    )


def bench_kernels(
    products: "Products", kind: str, sizes: Sequence[int], num_passes: int
) -> Iterator[tuple[Ceilings, list[Figures]]]:
    """For each number of rows: ceilings measured before each pass, and figures of each layer and of all; medians."""
    layers = make_layers(spec_from_config(RANDOM_MODEL, "the random model"), kind)
    for rows in sizes:
        taken = make_pass(layers, products, rows)
        taken.times()
        rounds = [(measure_ceilings(products), taken.times()) for _ in range(num_passes)]
        ceilings = Ceilings(*map(median, zip(*(each for each, _ in rounds), strict=True)))
        yield ceilings, _figures(kind, rows, taken.calls, [times for _, times in rounds])


def make_pass(layers: "Layers", products: "Products", rows: int) -> "Pass":
    """A step's linear layers, of so many rows."""
    return layers.make_pass(products, rows, PREFILL_TOKENS if rows == PREFILL_TOKENS else 1)


def make_layers(spec: ModelSpec, kind: str) -> "Layers":
    """The linear layers of a dense model, with random weights."""
    from weft.ops.cpu.trials import Layers, LayerSize

    hidden, inner = spec.hidden_size, spec.intermediate_size
    heads, shared = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
    repeated = [
        LayerSize("qkv", heads + 2 * shared, hidden),
        LayerSize("output", hidden, heads),
        LayerSize("gate and up", 2 * inner, hidden),
        LayerSize("down", hidden, inner),
    ]
    head = LayerSize("head", spec.vocab_size, hidden, last_row_only=True)
    return Layers(repeated, head, spec.num_layers, kind)


def _figures(kind: str, rows: int, calls: "Sequence[Call]", passes: list[list[float]]) -> list[Figures]:
    names = [*dict.fromkeys(call.name for call in calls), ALL]
    return [_figure(kind, rows, name, calls, passes) for name in names]


def _figure(kind: str, rows: int, name: str, calls: "Sequence[Call]", passes: list[list[float]]) -> Figures:
    chosen = [index for index, call in enumerate(calls) if name in (call.name, ALL)]
    seconds = median(sum(times[index] for index in chosen) for times in passes)
    num_bytes = sum(calls[index].weight_bytes for index in chosen)
    operations = sum(calls[index].num_operations for index in chosen)
    return Figures(kind, rows, name, seconds, num_bytes / seconds, operations / seconds, rows / seconds)
