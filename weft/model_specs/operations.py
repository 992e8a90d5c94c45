"""What a forward pass computes and moves, as data: cost models read this instead of running a model."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import AnyFormat, NumberFormat
from weft.model_specs.quantization import Quantization


class OperationKind(Enum):
    """What bounds an operation differs by kind; so do the kernels that run it."""

    EMBEDDING = "embedding"
    MATMUL = "matmul"
    GROUPED_MATMUL = "grouped_matmul"
    ATTENTION = "attention"
    NORM = "norm"
    ELEMENTWISE = "elementwise"
    ALL_REDUCE = "all_reduce"
    ALL_GATHER = "all_gather"
    ALL_TO_ALL = "all_to_all"
    SEND = "send"


class Size(NamedTuple):
    """One dimension of an operation by name."""

    name: str
    value: int


class OperandFormat(NamedTuple):
    """The format of one of an operation's operands: "weight", "input", "state" or "output"."""

    operand: str
    format: AnyFormat


class Formats(NamedTuple):
    """Number formats of a pass: of weights, of kept state, and of activations and arithmetic; `quantization`: what
    linear layers have in their place."""

    weight: NumberFormat
    state: AnyFormat
    activation: NumberFormat
    quantization: Quantization | None = None

    @property
    def arithmetic(self) -> tuple[AnyFormat, ...]:
        """In which products are computed."""
        narrow = None if self.quantization is None else self.quantization.inputs
        return (self.activation,) if narrow is None else (self.activation, narrow.number)


class Axis(Enum):
    """The axis of a plan's mesh along which devices communicate."""

    TENSOR = "tp"
    PIPELINE = "pp"
    EXPERT = "ep"
    CONTEXT = "cp"


class Communication(NamedTuple):
    """What a device exchanges with the `num_ranks` devices (itself among them) along an axis.

    `num_bytes`: of an all-reduce the buffer that each device has; of an all-gather the gathered whole; of an
    all-to-all or a send what one device hands out.
    """

    axis: Axis
    num_ranks: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a forward pass, on one device. `layer`: its index, None outside the layers.

    `flops`: multiplications and additions of matrix products and attention, two per product of two numbers.
    Softmax, norms and element-wise work count 0, as in every published count: bytes bound them.
    `weight_bytes`: weights, biases and table rows read. `read_bytes`: activations and state read.
    `written_bytes`: activations and state written. Each operand counts once, however often a kernel fetches
    it; token ids, positions, block tables and the look-up of a step's cosines and sines are left out.
    `shape`: of attention, that of the whole span, which the ranks along `cp` share. `stage`: of the pipeline.
    `communication`: of the last four kinds, which count neither flops nor bytes above.
    """

    name: str
    layer: int | None
    kind: OperationKind
    shape: tuple[Size, ...]
    formats: tuple[OperandFormat, ...]
    flops: int
    weight_bytes: int
    read_bytes: int
    written_bytes: int
    stage: int = 0
    communication: Communication | None = None

    @property
    def moved_bytes(self) -> int:
        """Bytes between the device's memory and its units."""
        return self.weight_bytes + self.read_bytes + self.written_bytes


class Span(NamedTuple):
    """Units of one sequence that a step computes: `num_units`, after `start` whose state is cached."""

    start: int
    num_units: int

    def num_visible(self, window_tokens: int | None) -> int:
        """How many positions at least one of the span's units sees, its own included."""
        end = self.start + self.num_units
        return end if window_tokens is None else min(end, self.num_units + window_tokens - 1)

    def num_pairs(self, window_tokens: int | None) -> int:
        """Over the span's units, how many positions each sees (itself and those before, in the window)."""
        end = self.start + self.num_units
        return _pairs_up_to(end, window_tokens) - _pairs_up_to(self.start, window_tokens)


def _pairs_up_to(length: int, window_tokens: int | None) -> int:
    """Sum of min(i, window) for i from 1 to `length`."""
    growing = length if window_tokens is None else min(length, window_tokens)
    pairs = growing * (growing + 1) // 2
    return pairs if window_tokens is None else pairs + (length - growing) * window_tokens


@dataclass(frozen=True, slots=True)
class ForwardWork:
    """What one fused pass computes: spans of sequences, and for how many of their units logits.

    `distinct_experts`: for each layer with experts, in order, how many of them get at least one unit; None where
    that is not known, and then their expectation is taken (`ExpertsSpec.expected_distinct`).
    """

    spans: tuple[Span, ...]
    num_outputs: int
    distinct_experts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for span in self.spans:
            if span.start < 0 or span.num_units < 1:
                raise ConfigurationError(f"{span}: it must start at 0 or later and have at least 1 unit")
        if not 0 <= self.num_outputs <= self.num_units:
            raise ConfigurationError(
                f"num_outputs is {self.num_outputs}; it must be between 0 and the {self.num_units} units"
            )

    @property
    def num_units(self) -> int:
        """Units that the pass computes."""
        return sum(span.num_units for span in self.spans)
