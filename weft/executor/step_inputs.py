"""What a step computes, as the model and its backend want to have it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from weft.contracts.steps import StepEntry
from weft.executor.rows import Row, RowTable
from weft.model_specs.model_spec import ModelSpec
from weft.ops.backend import GroupTables, LayerCache, PagedBatch, Span


class Piece(NamedTuple):
    """What a step computes of one row: `num_units` from position `start`; `entry` is None where the row stands."""

    row: Row
    start: int
    num_units: int
    entry: StepEntry | None

    @property
    def emits(self) -> bool:
        """Whether a token is sampled after the last unit."""
        return self.entry is None or (self.entry.emits and not self.entry.num_candidates)

    @property
    def num_candidates(self) -> int:
        """How many of the likeliest next tokens are asked for instead."""
        return self.entry.num_candidates if self.entry is not None and self.entry.emits else 0


class Inputs(NamedTuple):
    """Of a step: tokens and their positions, one piece after the other, and where the state of each piece is."""

    tokens_T: Tensor
    positions_T: Tensor
    batch: PagedBatch


MOST_KEPT_TOKENS = 256
"""Room for inputs of so many tokens is kept for the next step of as many, since a tensor takes longer to make than to
fill."""


class _Room:
    """For tokens and positions of a step, as numpy and as torch see it."""

    def __init__(self, num_tokens: int) -> None:
        self.numbers_2T = np.empty((2, num_tokens), dtype=np.int64)
        self.tokens_T, self.positions_T = torch.from_numpy(self.numbers_2T)


class StepInputs:
    """Makes inputs of pieces, which hold until the next are made. `layers`: the cache; `device`: where it is."""

    def __init__(
        self,
        spec: ModelSpec,
        rows: RowTable,
        layers: Sequence[LayerCache],
        block_tokens: int,
        device: torch.device,
    ) -> None:
        self._rows, self._layers, self._block_tokens, self._device = rows, layers, block_tokens, device
        self._windows = [group.window_tokens for group in spec.layer_groups]
        self._rooms: dict[int, _Room] = {}

    def take(self, pieces: Sequence[Piece]) -> Inputs:
        """Of these pieces, whose rows have computed them from now on."""
        spans: list[Span] = []
        tokens: list[int] = []
        positions: list[int] = []
        for row, start, num_units, _ in pieces:
            spans.append(Span(len(tokens), start, num_units))
            tokens.extend(row.tokens(start, num_units))
            positions.extend(range(start, start + num_units))
            row.computed = start + num_units
        room = self._room(len(tokens))
        room.numbers_2T[0], room.numbers_2T[1] = tokens, positions
        return Inputs(self._there(room.tokens_T), self._there(room.positions_T), self._batch(pieces, spans))

    def _room(self, num_tokens: int) -> _Room:
        room = self._rooms.get(num_tokens) or _Room(num_tokens)
        if num_tokens <= MOST_KEPT_TOKENS:
            self._rooms[num_tokens] = room
        return room

    def _batch(self, pieces: Sequence[Piece], spans: Sequence[Span]) -> PagedBatch:
        longest = max(span.start + span.num_units for span in spans)
        tables = self._rows.select_tables([piece.row for piece in pieces], -(-longest // self._block_tokens))
        groups = [
            GroupTables(self._there(tables_BM), window)
            for tables_BM, window in zip(tables, self._windows, strict=True)
        ]
        return PagedBatch(spans, groups, self._layers, self._block_tokens)

    def indexes(self, values: Sequence[int]) -> Tensor:
        """As int64, on the device."""
        return self._there(torch.from_numpy(np.array(values, dtype=np.int64)))

    def _there(self, made: Tensor) -> Tensor:
        """On the device. On a CPU torch is not asked: it gives the interpreter to another thread while it looks."""
        return made if self._device.type == "cpu" else made.to(self._device)


def last_units(pieces: Sequence[Piece]) -> list[int]:
    """The packed row of each piece's last unit."""
    ends, end = [], 0
    for piece in pieces:
        end += piece.num_units
        ends.append(end - 1)
    return ends


def continues_all(pieces: Sequence[Piece]) -> bool:
    """Whether a token is sampled after every unit: each sequence decodes."""
    return all(piece.num_units == 1 and piece.emits for piece in pieces)
