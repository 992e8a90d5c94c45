"""Where kernels lie on the surfaces of a profile: which surface, and the coordinates on it.

A kernel's name is that of its surface: a family and, where arithmetic or kept state differ by format, the format.
"""

from collections.abc import Callable
from enum import Enum

from weft.contracts.formats import AnyFormat, NarrowFormat
from weft.costs.profiles.interpolation import Point
from weft.model_specs.operations import Operation, OperationKind


class Family(Enum):
    """Kinds of kernels, with the coordinates of their surfaces in tables.

    `context` of attention on single tokens: what a sequence sees on average. `keys`: what a new token of a chunk
    sees on average. `experts`: those that get a row; `inner`: the inner size on the device. Widened experts have
    weights in the format of the surface and all else in 16 bits. Attention beside chunks is what single tokens add to
    the time of chunks in the same step.
    """

    PRODUCT = "product", ("outputs", "inputs", "rows")
    EXPERTS = "experts", ("hidden", "inner", "experts", "rows")
    WIDENED_EXPERTS = "widened_experts", ("hidden", "inner", "experts", "rows")
    SINGLE_ATTENTION = "single_attention", ("head_dim", "group", "kv_heads", "sequences", "context")
    ATTENTION_BESIDE = (
        "attention_beside_chunks",
        ("head_dim", "group", "kv_heads", "sequences", "context"),
    )
    CHUNK_ATTENTION = "chunk_attention", ("head_dim", "group", "kv_heads", "tokens", "keys")
    ALL_REDUCE = "all_reduce", ("ranks", "bytes")
    LARGE_ALL_REDUCE = "large_all_reduce", ("ranks", "bytes")
    ALL_GATHER = "all_gather", ("ranks", "bytes")
    ALL_TO_ALL = "all_to_all", ("ranks", "bytes")
    NORM = "norm", ("bytes",)
    HEAD_NORM = "head_norm", ("bytes",)
    ROTARY = "rotary", ("bytes",)
    ACTIVATION = "activation", ("bytes",)
    EMBEDDING = "embedding", ("bytes",)
    SAMPLING = "sampling", ("bytes",)

    def __init__(self, label: str, coordinates: tuple[str, ...]) -> None:
        self.label, self.coordinates = label, coordinates

    def surface(self, number: AnyFormat | None = None) -> str:
        """The name of the surface in a format."""
        return self.label if number is None else f"{self.label} {format_class(number)}"


def family_of(surface: str) -> Family:
    """That of a surface by its name."""
    label = surface.split(" ")[0]
    return next(family for family in Family if family.label == label)


def format_class(number: AnyFormat) -> str:
    """What kernels are measured in: 16 bits, 8 bits or 4."""
    if not isinstance(number, NarrowFormat):
        return "bfloat16"
    return "float8" if number.num_bits == 8 else "float4"


def product_point(operation: Operation) -> Point:
    """Of a product, those per head counting as one of all their outputs."""
    shape = dict(operation.shape)
    return float(shape["outputs"] * shape.get("heads", 1)), float(shape["inputs"]), float(shape["rows"])


def experts_point(operation: Operation) -> Point:
    """Of either grouped product of a layer: whoever measured them did so together."""
    shape = dict(operation.shape)
    outputs, inputs = shape["outputs"], shape["inputs"]
    gates = operation.name.startswith("expert_gate_up")
    hidden, inner = (inputs, outputs // 2) if gates else (outputs, inputs)
    return float(hidden), float(inner), float(shape["experts"]), float(shape["rows"])


_COMPACT: dict[Family, Callable[[Point], Point]] = {
    Family.EXPERTS: lambda at: (at[0], at[1], at[2], at[3] / at[2]),
    Family.WIDENED_EXPERTS: lambda at: (at[0], at[1], at[2], at[3] / at[2]),
    Family.SINGLE_ATTENTION: lambda at: (at[1], at[2] * at[3], at[4]),
    Family.ATTENTION_BESIDE: lambda at: (at[1], at[2] * at[3], at[4]),
    Family.CHUNK_ATTENTION: lambda at: (at[1], at[1] * at[2] * at[3], at[4]),
}


def compact_point(family: Family, point: Point) -> Point:
    """In the coordinates of compact fits, where what kernels do in parallel is one number.

    Experts: rows per expert for rows. Attention on single tokens: (group, sequences x kv_heads, context); on chunks:
    (group, tokens x heads, keys). Others are as they are.
    """
    reshape = _COMPACT.get(family)
    return point if reshape is None else reshape(point)


COLLECTIVES = {
    OperationKind.ALL_REDUCE: Family.ALL_REDUCE,
    OperationKind.ALL_GATHER: Family.ALL_GATHER,
    OperationKind.ALL_TO_ALL: Family.ALL_TO_ALL,
}

GRAPH_BYTES = 8 << 20
"""The largest all-reduce that is taken to be launched by a graph: 512 tokens of 8,192 numbers in 16 bits, and as
much as vLLM's own all-reduce takes before it hands over to NCCL (`custom_all_reduce.py`, max_size, version 0.11)."""
