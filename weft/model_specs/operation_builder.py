"""Operations from their sizes: what each kind computes, moves and sends in given formats."""

from dataclasses import dataclass

from weft.contracts.formats import AnyFormat, NumberFormat
from weft.model_specs.operations import (
    Axis,
    Communication,
    Formats,
    OperandFormat,
    Operation,
    OperationKind,
    Size,
)


@dataclass(frozen=True, slots=True)
class OperationBuilder:
    """Builds operations of one device of a stage."""

    formats: Formats
    stage: int = 0

    def embedding(self, name: str, num_tokens: int, vocabulary: int, hidden: int, num_read: int) -> Operation:
        """Of a row per token, where the table on the device gives `num_read` numbers of them."""
        shape = (Size("tokens", num_tokens), Size("vocabulary", vocabulary), Size("hidden", hidden))
        return self._operation(
            name,
            None,
            OperationKind.EMBEDDING,
            shape,
            ("weight", "output"),
            weight_numbers=num_read,
            written_numbers=num_tokens * hidden,
        )

    def product(
        self, name: str, layer: int | None, rows: int, outputs: int, inputs: int, bias: bool = False
    ) -> Operation:
        """Of rows with one matrix, plus a bias."""
        return self._operation(
            name,
            layer,
            OperationKind.MATMUL,
            (Size("rows", rows), Size("outputs", outputs), Size("inputs", inputs)),
            ("weight", "input", "output"),
            flops=2 * rows * outputs * inputs,
            weight_numbers=(inputs + bias) * outputs,
            read_numbers=rows * inputs,
            written_numbers=rows * outputs,
        )

    def product_per_head(
        self, name: str, layer: int, rows: int, num_heads: int, outputs: int, inputs: int, num_ranks: int = 1
    ) -> Operation:
        """Of each head's part of a row with a matrix of that head; `num_ranks` devices share the rows."""
        return self._operation(
            name,
            layer,
            OperationKind.MATMUL,
            (Size("rows", rows), Size("heads", num_heads), Size("outputs", outputs), Size("inputs", inputs)),
            ("weight", "input", "output"),
            flops=2 * rows * num_heads * outputs * inputs // num_ranks,
            weight_numbers=num_heads * inputs * outputs,
            read_numbers=rows * num_heads * inputs // num_ranks,
            written_numbers=rows * num_heads * outputs // num_ranks,
        )

    def grouped_product(
        self, name: str, layer: int, rows: int, outputs: int, inputs: int, num_experts: int, num_read: int
    ) -> Operation:
        """Of rows that each belong to one of so many experts, with the weights of that expert."""
        shape = (Size("rows", rows), Size("experts", num_experts), Size("outputs", outputs))
        return self._operation(
            name,
            layer,
            OperationKind.GROUPED_MATMUL,
            (*shape, Size("inputs", inputs)),
            ("weight", "input", "output"),
            flops=2 * rows * outputs * inputs,
            weight_numbers=num_experts * outputs * inputs,
            read_numbers=num_read,
            written_numbers=rows * outputs,
        )

    def norm(self, name: str, layer: int | None, rows: int, size: int, bias: bool = False) -> Operation:
        """Of rows, each scaled by one weight per number, plus a bias."""
        return self._operation(
            name,
            layer,
            OperationKind.NORM,
            (Size("rows", rows), Size("inputs", size)),
            ("weight", "input", "output"),
            weight_numbers=size * (1 + bias),
            read_numbers=rows * size,
            written_numbers=rows * size,
        )

    def elementwise(self, name: str, layer: int | None, rows: int, size: int, num_read: int) -> Operation:
        """Anything without weights that reads so many numbers and writes `size` of them per row."""
        return self._operation(
            name,
            layer,
            OperationKind.ELEMENTWISE,
            (Size("rows", rows), Size("outputs", size)),
            ("input", "output"),
            read_numbers=num_read,
            written_numbers=rows * size,
        )

    def of_two(self, name: str, layer: int | None, rows: int, size: int) -> Operation:
        """Of two operands of the output's size."""
        return self.elementwise(name, layer, rows, size, num_read=2 * rows * size)

    def rotary(self, layer: int, num_tokens: int, num_heads: int, size: int) -> Operation:
        """Of heads of `size` numbers, by a cosine and a sine per token and dimension, which the heads share."""
        rows = num_tokens * num_heads
        return self.elementwise("rotary", layer, rows, size, num_read=rows * size + 2 * num_tokens * size)

    def merge(self, name: str, layer: int, rows: int, size: int, num_read: int, num_ranks: int) -> Operation:
        """Of partial rows from so many ranks, which share the merged ones: a rank reads `num_read` numbers."""
        shape = (Size("rows", rows), Size("outputs", size), Size("ranks", num_ranks))
        return self._operation(
            name,
            layer,
            OperationKind.ELEMENTWISE,
            shape,
            ("input", "output"),
            read_numbers=num_read,
            written_numbers=rows * size // num_ranks,
        )

    def float32_conversion(self, name: str, rows: int, size: int) -> Operation:
        """From the activations' format to float32."""
        narrow, wide = self.formats.activation, NumberFormat.FLOAT32
        return Operation(
            name=name,
            layer=None,
            kind=OperationKind.ELEMENTWISE,
            shape=(Size("rows", rows), Size("outputs", size)),
            formats=(OperandFormat("input", narrow), OperandFormat("output", wide)),
            flops=0,
            weight_bytes=0,
            read_bytes=rows * size * narrow.num_bytes,
            written_bytes=rows * size * wide.num_bytes,
            stage=self.stage,
        )

    def attention(
        self, layer: int, shape: tuple[Size, ...], flops: int, read: tuple[int, int], written: tuple[int, int]
    ) -> Operation:
        """`read` and `written`: numbers of activations, and of state."""
        activation_bytes, state_bits = self.formats.activation.num_bytes, self.formats.state.num_bits
        return Operation(
            name="attention",
            layer=layer,
            kind=OperationKind.ATTENTION,
            shape=shape,
            formats=self._formats("input", "state", "output"),
            flops=flops,
            weight_bytes=0,
            read_bytes=read[0] * activation_bytes + read[1] * state_bits // 8,
            written_bytes=written[0] * activation_bytes + written[1] * state_bits // 8,
            stage=self.stage,
        )

    def communication(
        self,
        kind: OperationKind,
        name: str,
        layer: int | None,
        exchanged: tuple[Axis, int],
        numbers: int,
        operand: str = "input",
    ) -> Operation:
        """Of activations, or of state, along an axis among so many devices; see `Communication` for the numbers."""
        axis, num_ranks = exchanged
        num_bytes = numbers * self._format(operand).num_bits // 8
        return Operation(
            name=name,
            layer=layer,
            kind=kind,
            shape=(Size("numbers", numbers),),
            formats=self._formats(operand),
            flops=0,
            weight_bytes=0,
            read_bytes=0,
            written_bytes=0,
            stage=self.stage,
            communication=Communication(axis, num_ranks, num_bytes),
        )

    def _operation(
        self,
        name: str,
        layer: int | None,
        kind: OperationKind,
        shape: tuple[Size, ...],
        operands: tuple[str, ...],
        *,
        flops: int = 0,
        weight_numbers: int = 0,
        read_numbers: int = 0,
        written_numbers: int = 0,
    ) -> Operation:
        activation_bytes = self.formats.activation.num_bytes
        return Operation(
            name=name,
            layer=layer,
            kind=kind,
            shape=shape,
            formats=self._formats(*operands),
            flops=flops,
            weight_bytes=weight_numbers * self.formats.weight.num_bytes,
            read_bytes=read_numbers * activation_bytes,
            written_bytes=written_numbers * activation_bytes,
            stage=self.stage,
        )

    def _formats(self, *operands: str) -> tuple[OperandFormat, ...]:
        return tuple(OperandFormat(operand, self._format(operand)) for operand in operands)

    def _format(self, operand: str) -> AnyFormat:
        if operand == "weight":
            return self.formats.weight
        return self.formats.state if operand == "state" else self.formats.activation
