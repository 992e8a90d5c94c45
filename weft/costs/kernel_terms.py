"""What a layer's work on spans takes, in closed form, found from the operations that the model lists.

Flops and bytes of each such operation are linear in the units of its spans, in the positions these see and in the
pairs of both, so a few small spans determine them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from weft.costs.roofline import Machine, input_format
from weft.costs.topology import Rate
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.operations import Formats, ForwardWork, Operation, Span
from weft.model_specs.shard import Shard


class Line(NamedTuple):
    """A number that is linear in units, visible positions and pairs."""

    constant: float
    per_unit: float
    per_visible: float
    per_pair: float

    def of_units(self, num_units: int) -> float:
        """Of so many, which see nothing."""
        return self.constant + self.per_unit * num_units

    def over(self, rate: float) -> "Line":
        """All of it divided by a rate."""
        return Line(*(value / rate for value in self))

    def at(self, rate: Rate) -> "Line":
        """All of it, a number of bytes, sent at a rate."""
        sent = Line(*(value * rate.byte_s for value in self))
        return sent._replace(constant=sent.constant + rate.start_s)


class KernelTerm(NamedTuple):
    """One kernel, or one communication: it takes the longer of two times in seconds, by flops and by bytes, or over
    the link within a node and over that between nodes."""

    first_s: Line
    second_s: Line


class _Kernel(NamedTuple):
    """`example`: one of the operations that it is made of; a communication is one alone."""

    flops: int
    moved_bytes: int
    example: Operation

    @property
    def sent_bytes(self) -> int:
        return 0 if self.example.communication is None else self.example.communication.num_bytes


def single_terms(shard: Shard, layer: int, formats: Formats, machine: Machine) -> tuple[KernelTerm, ...]:
    """Of spans of one unit each; units and pairs are then spans and visible positions."""
    probes = ([Span(0, 1)], [Span(1, 1)], [Span(0, 1), Span(0, 1)])
    found = [_kernels(shard, layer, formats, spans) for spans in probes]
    return _terms(found, _line_of_single, machine)


def chunk_terms(shard: Shard, layer: int, formats: Formats, machine: Machine) -> tuple[KernelTerm, ...]:
    """Of spans of several units."""
    probes = ([Span(0, 2)], [Span(1, 2)], [Span(0, 3)], [Span(0, 2), Span(0, 2)])
    found = [_kernels(shard, layer, formats, spans) for spans in probes]
    return _terms(found, _line_of_chunk, machine)


def _terms(
    found: list[dict[str, _Kernel]], line: Callable[..., Line], machine: Machine
) -> tuple[KernelTerm, ...]:
    """A term per kernel, from its figures in each of the probes."""
    return tuple(_term([kernels[name] for kernels in found], line, machine) for name in found[0])


def _term(probes: list[_Kernel], line: Callable[..., Line], machine: Machine) -> KernelTerm:
    example, ceilings = probes[0].example, machine.ceilings
    if example.communication is not None:
        sent_bytes = line(*(each.sent_bytes for each in probes))
        rates = machine.topology.rates(example, example.communication)
        return KernelTerm(sent_bytes.at(rates[0]), sent_bytes.at(rates[-1]))
    flops = line(*(each.flops for each in probes))
    moved_bytes = line(*(each.moved_bytes for each in probes))
    peak_flops = ceilings.peak_flops(input_format(example))
    return KernelTerm(flops.over(peak_flops), moved_bytes.over(ceilings.bandwidth))


def open_pass(shard: Shard, formats: Formats, spans: list[Span]) -> ForwardPass:
    """Without windows: whoever sums over spans knows what each of them sees."""
    open_spec = replace(shard.spec, layer_windows=(None,) * shard.spec.num_layers)
    return ForwardPass(Shard(open_spec, shard.plan), ForwardWork(tuple(spans), 0), formats)


def _kernels(shard: Shard, layer: int, formats: Formats, spans: list[Span]) -> dict[str, _Kernel]:
    return _summed(open_pass(shard, formats, spans).span_operations(0, layer))


def _summed(operations: Iterable[Operation]) -> dict[str, _Kernel]:
    by_name: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_name[operation.name].append(operation)
    return {
        name: _Kernel(sum(part.flops for part in parts), sum(part.moved_bytes for part in parts), parts[0])
        for name, parts in by_name.items()
    }


def _line_of_single(one: int, seen: int, two: int) -> Line:
    """From (units, visible) of (1, 1), (1, 2) and (2, 2)."""
    per_visible, per_unit = seen - one, two - seen
    return Line(one - per_unit - per_visible, per_unit, per_visible, 0)


def _line_of_chunk(first: int, seen: int, longer: int, two: int) -> Line:
    """From (units, visible, pairs) of (2, 2, 3), (2, 3, 5), (3, 3, 6) and (4, 4, 6)."""
    visible_and_two_pairs, unit_and_pair, unit_and_visible = seen - first, longer - seen, two - longer
    per_pair = (visible_and_two_pairs + unit_and_pair - unit_and_visible) / 3
    per_visible, per_unit = visible_and_two_pairs - 2 * per_pair, unit_and_pair - per_pair
    return Line(first - 2 * per_unit - 2 * per_visible - 3 * per_pair, per_unit, per_visible, per_pair)
