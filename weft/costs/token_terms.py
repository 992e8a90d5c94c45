"""What depends on nothing but the number of tokens of a pass, in closed form where it is linear in it.

Nearly all of it is: flops and bytes of products, norms and embeddings, and what is sent between devices. Experts are
not (the more tokens, the fewer experts are left to read), nor what devices round up when they share tokens out. So two
numbers of tokens give a line for each operation, others try it, and what fails is listed anew for each number.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from weft.costs.kernel_terms import KernelTerm, Line
from weft.costs.roofline import Machine, input_format
from weft.model_specs.operations import Operation

Listed = Callable[[int], list[tuple[int, Operation]]]
"""The operations of a pass over a number of tokens, always the same ones, each with how often it occurs."""

PROBES = (2, 1024)
"""Numbers of tokens that give the lines."""

TRIED = (1, 3, 17, 255, 1000, 4097, 8192)
"""Further ones that have to agree."""


class TokenTerms:
    """Seconds of all the operations together, on the plain roofline."""

    def __init__(self, listed: Listed, machine: Machine) -> None:
        self._listed, self._machine = listed, machine
        self._kernels: list[tuple[int, KernelTerm]] = []
        self._messages: list[tuple[int, Operation, Line]] = []
        self._others: list[int] = []
        passes = [listed(num_tokens) for num_tokens in (*PROBES, *TRIED)]
        for index, (count, example) in enumerate(passes[0]):
            figures = [_figures(operations[index][1]) for operations in passes]
            lines = [line for values in zip(*figures, strict=True) if (line := _line(values)) is not None]
            if len(lines) < len(figures[0]):
                self._others.append(index)
            elif example.communication is not None:
                self._messages.append((count, example, lines[2]))
            else:
                self._kernels.append((count, _kernel(example, lines[0], lines[1], machine)))

    def seconds(self, num_tokens: int) -> float:
        """Of a pass over at least one token."""
        total = 0.0
        for count, (first, second) in self._kernels:
            total += count * max(first.of_units(num_tokens), second.of_units(num_tokens))
        for count, example, sent_bytes in self._messages:
            total += count * self._machine.seconds(_sending(example, round(sent_bytes.of_units(num_tokens))))
        if self._others:
            listed = self._listed(num_tokens)
            total += sum(listed[index][0] * self._machine.seconds(listed[index][1]) for index in self._others)
        return total


def _figures(operation: Operation) -> tuple[int, int, int]:
    """Flops, bytes of memory, bytes sent."""
    communication = operation.communication
    return operation.flops, operation.moved_bytes, 0 if communication is None else communication.num_bytes


def _line(values: Sequence[int]) -> Line | None:
    """Through the values at `PROBES`, where those at `TRIED` lie on it."""
    (low, high), (first, second) = PROBES, values[: len(PROBES)]
    per_token, rest = divmod(second - first, high - low)
    constant = first - per_token * low
    fits = all(value == constant + per_token * at for value, at in zip(values[2:], TRIED, strict=True))
    return Line(constant, per_token, 0, 0) if fits and not rest else None


def _kernel(example: Operation, flops: Line, moved_bytes: Line, machine: Machine) -> KernelTerm:
    peak_flops = machine.ceilings.peak_flops(input_format(example)) if any(flops) else inf
    return KernelTerm(flops.over(peak_flops), moved_bytes.over(machine.ceilings.bandwidth))


def _sending(example: Operation, num_bytes: int) -> Operation:
    assert example.communication is not None
    return replace(example, communication=example.communication._replace(num_bytes=num_bytes))
