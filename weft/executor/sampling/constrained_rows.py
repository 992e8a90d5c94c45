"""Which tokens may come next, for the rows whose output is constrained.

The mask of a row's next token follows from its last token, so it is computed in a thread of its own while the model
computes the next step, and waited for where logits become tokens.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from weft.contracts.constraints import Constraint
from weft.contracts.requests import Request
from weft.text.constraints import Grammars

if TYPE_CHECKING:
    from weft.text.constraints.grammar import MaskWriter, Matcher

_BITS_IN_BYTE = tuple(1 << bit for bit in range(8))


class Ended(NamedTuple):
    """Of the rows that got a token: those after which nothing can follow, and why others cannot go on."""

    complete: tuple[int, ...]
    failed: dict[int, str]


class _Output:
    """A constrained output in a row. `matcher` is None until the helper has made it; `is_over`: its end was told."""

    __slots__ = ("constraint", "ignores_ends", "is_over", "matcher", "problem", "row")

    def __init__(self, row: int, constraint: Constraint, ignores_ends: bool) -> None:
        self.row, self.constraint, self.ignores_ends = row, constraint, ignores_ends
        self.matcher: Matcher | None = None
        self.problem: str | None = None
        self.is_over = False


class ConstrainedRows:
    """`vocab_size`: number of logits. `max_rows`: rows are 0 to this, exclusive. `device`: of the logits."""

    def __init__(self, vocab_size: int, max_rows: int, device: torch.device) -> None:
        self._vocab_size, self._max_rows, self._device = vocab_size, max_rows, device
        self._grammars: Grammars | None = None
        self._outputs: dict[int, _Output] = {}
        self._helper = ThreadPoolExecutor(1, "weft-masks")
        self._under_way: list[Future[None]] = []
        self._masks_MB = torch.empty(0)
        self._writer: MaskWriter | None = None
        self._bits = torch.tensor(_BITS_IN_BYTE, dtype=torch.uint8, device=device)

    def use(self, grammars: Grammars) -> None:
        """Where the grammars of constraints are found."""
        self._grammars = grammars

    def close(self) -> None:
        """End the helper."""
        self._helper.shutdown()

    def admit(self, row: int, request: Request, output_tokens: Sequence[int]) -> None:
        """A sequence takes the row; its output so far is followed through the grammar."""
        self.remove(row)
        constraint = request.sampling.constraint
        if constraint is not None:
            output = self._outputs[row] = _Output(row, constraint, request.sampling.ignore_eos)
            self._begin(self._start, output, tuple(output_tokens))

    def remove(self, row: int) -> None:
        """The row's sequence leaves it."""
        self._outputs.pop(row, None)

    def choose(self, row: int, output_index: int, tokens: Sequence[int]) -> None:
        """A client chose the output from `output_index` on."""
        if row in self._outputs:
            self._begin(self._replace, self._outputs[row], output_index, tuple(tokens))

    def allowed(self, rows: Sequence[int]) -> list[tuple[int, Tensor]]:
        """Per index of those of `rows` that are constrained, the mask of their next token: uint8, one bit per token."""
        if not self._outputs:
            return []
        self._wait()
        followed = {
            row for row, output in self._outputs.items() if output.problem is None and not output.is_over
        }
        return [(index, self._masks_MB[row]) for index, row in enumerate(rows) if row in followed]

    def restrict(self, logits_RV: Tensor, allowed: Sequence[tuple[int, Tensor]]) -> None:
        """Set the logits of all tokens but those allowed to minus infinity in place."""
        if not allowed:
            return
        masks_RB = torch.stack([mask_B for _, mask_B in allowed]).to(self._device)
        forbidden_RB8 = (masks_RB[:, :, None] & self._bits) == 0
        forbidden_RV = forbidden_RB8.flatten(1)[:, : self._vocab_size]
        rows = [index for index, _ in allowed]
        if len(rows) == len(logits_RV):
            logits_RV.masked_fill_(forbidden_RV, -inf)
        else:
            logits_RV[rows] = logits_RV[rows].masked_fill_(forbidden_RV, -inf)

    def advance(self, rows: Sequence[int], tokens: Sequence[int]) -> Ended:
        """These rows got these tokens. What they may get next is computed from now on."""
        outputs = {row: output for row, output in self._outputs.items() if not output.is_over}
        got = [(outputs[row], token) for row, token in zip(rows, tokens, strict=True) if row in outputs]
        for output, token in got:
            _follow(output, (token,))
            output.is_over = output.problem is not None or _is_complete(output)
        going_on = [output for output, _ in got if not output.is_over]
        if going_on:
            self._begin(self._write, going_on)
        over = [output for output, _ in got if output.is_over]
        complete = tuple(output.row for output in over if output.problem is None)
        return Ended(complete, {output.row: output.problem for output in over if output.problem is not None})

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        self._under_way.append(self._helper.submit(work, *arguments))

    def _wait(self) -> None:
        under_way, self._under_way = self._under_way, []
        for work in under_way:
            work.result()

    def _start(self, output: _Output, tokens: tuple[int, ...]) -> None:
        grammar = None if self._grammars is None else self._grammars.find(output.constraint)
        if grammar is None:
            output.problem = "its constraint was not compiled before it was submitted"
            return
        output.matcher = grammar.matcher()
        if tokens:
            _follow(output, tokens)
        self._write([output])

    def _replace(self, output: _Output, output_index: int, tokens: tuple[int, ...]) -> None:
        if output.matcher is not None:
            output.matcher.rewind(output_index)
            _follow(output, tokens)
            self._write([output])

    def _write(self, outputs: Sequence[_Output]) -> None:
        """Compute the masks of what these outputs may get next."""
        jobs = [(output.matcher, output.row) for output in outputs if output.matcher is not None]
        if not jobs:
            return
        if self._writer is None:
            from weft.text.constraints.grammar import MaskWriter

            self._writer = MaskWriter()
            row_bytes = jobs[0][0].vocabulary.row_bytes
            self._masks_MB = torch.zeros(self._max_rows, row_bytes, dtype=torch.uint8)
        self._writer.write(jobs, self._masks_MB.data_ptr(), self._max_rows)
        for output in outputs:
            self._narrow(output)

    def _narrow(self, output: _Output) -> None:
        """Leave out what the grammar allows but this output may not have."""
        matcher = output.matcher
        assert matcher is not None
        output.problem = matcher.problem
        if matcher.num_tokens == 0 and matcher.vocabulary.not_first is not None:
            self._leave_out(output, matcher.vocabulary.not_first)
        if output.ignores_ends:
            self._leave_out(output, matcher.vocabulary.ends)

    def _leave_out(self, output: _Output, tokens: bytes) -> None:
        """Unless nothing else is allowed: the end is, then, all that can follow."""
        mask_B = self._masks_MB[output.row]
        rest_B = mask_B & ~torch.frombuffer(bytearray(tokens), dtype=torch.uint8)
        if rest_B.any():
            mask_B.copy_(rest_B)


def _follow(output: _Output, tokens: tuple[int, ...]) -> None:
    if output.matcher is not None and output.problem is None:
        output.matcher.advance(tokens)
        output.problem = output.matcher.problem


def _is_complete(output: _Output) -> bool:
    return output.matcher is not None and output.matcher.is_over
