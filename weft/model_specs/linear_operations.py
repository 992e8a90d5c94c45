"""Products of linear layers, whose weights and inputs a quantisation may narrow."""

from collections.abc import Iterator
from dataclasses import replace

from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import OperandFormat, Operation
from weft.model_specs.quantization import Quantization


def linear(
    build: OperationBuilder, name: str, layer: int, rows: int, outputs: int, inputs: int, bias: bool = False
) -> Iterator[Operation]:
    """Of rows with one matrix, plus a bias that is not narrowed."""
    plain = build.product(name, layer, rows, outputs, inputs, bias)
    yield from _narrowed(build, plain, rows, outputs)


def grouped_linear(
    build: OperationBuilder,
    name: str,
    layer: int,
    rows: int,
    outputs: int,
    inputs: int,
    num_experts: int,
    rows_read: int,
) -> Iterator[Operation]:
    """As `OperationBuilder.grouped_product`; `rows_read`: different rows among `rows`."""
    plain = build.grouped_product(name, layer, rows, outputs, inputs, num_experts, rows_read * inputs)
    yield from _narrowed(build, plain, rows_read, num_experts * outputs)


def _narrowed(
    build: OperationBuilder, plain: Operation, rows_read: int, weight_rows: int
) -> Iterator[Operation]:
    quantization = build.formats.quantization
    if quantization is None:
        yield plain
        return
    inputs = dict(plain.shape)["inputs"]
    saved_bytes = weight_rows * (
        inputs * build.formats.weight.num_bytes - quantization.weight.row_bytes(inputs)
    )
    product = replace(
        plain, weight_bytes=plain.weight_bytes - saved_bytes, formats=_formats(plain, quantization)
    )
    if quantization.inputs is not None:
        narrowing = _narrowing(build, plain, rows_read, inputs, quantization)
        yield narrowing
        product = replace(product, read_bytes=narrowing.written_bytes)
    yield product


def _narrowing(
    build: OperationBuilder, product: Operation, rows: int, inputs: int, quantization: Quantization
) -> Operation:
    """The scales of a row follow from its numbers, so it is read first and written narrow."""
    assert quantization.inputs is not None, "inputs are narrowed"
    name = f"{product.name.removesuffix('_product')}_input_quantization"
    wide = build.elementwise(name, product.layer, rows, inputs, num_read=rows * inputs)
    formats = (wide.formats[0], OperandFormat("output", quantization.inputs.number))
    return replace(wide, formats=formats, written_bytes=rows * quantization.inputs.row_bytes(inputs))


def _formats(plain: Operation, quantization: Quantization) -> tuple[OperandFormat, ...]:
    narrow = {"weight": quantization.weight.number}
    if quantization.inputs is not None:
        narrow["input"] = quantization.inputs.number
    return tuple(OperandFormat(operand, narrow.get(operand, kept)) for operand, kept in plain.formats)
