"""A model's operations, remembered while it computes a step, so that later steps of no more rows need no Python.

Everything that a step computes must be an operation of the backend: what else the model asks of torch is seen by
a dispatch mode, and a model that asks for anything but views and rows of a table is not remembered.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import finalize

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from weft.ops.backend import Decoded, LayerCache

if TYPE_CHECKING:
    from weft.ops.cpu._kernels import AttentionPlan, Program

_aten = torch.ops.aten
_COMPUTES_NOTHING = frozenset(
    {
        _aten.view.default,
        _aten.view.dtype,
        _aten._unsafe_view.default,
        _aten.split_with_sizes.default,
        _aten.slice.Tensor,
        _aten.select.int,
        _aten.unsqueeze.default,
        _aten.alias.default,
        _aten.detach.default,
        _aten.lift_fresh.default,
        _aten.empty.memory_format,
    }
)
"""Other shapes of the same memory, and what the arena asks for."""
_ALIGNMENT_BYTES = 64


_LEAST_CHUNK_BYTES = 1 << 20


class Slab:
    """Memory with which all recordings take turns, as results hold only until the next step. What is never written
    takes none of the system's."""

    def __init__(self) -> None:
        self._chunks: list[Tensor] = []

    def chunk(self, index: int, size: int) -> Tensor:
        """Bytes, which stay where they are as long as the slab lives; at least `size` where nobody had them before.
        They are as many again as there are by then, so that a few chunks are enough for any step."""
        if index == len(self._chunks):
            chunk_bytes = max(size, _LEAST_CHUNK_BYTES, sum(map(len, self._chunks)))
            self._chunks.append(torch.empty(chunk_bytes, dtype=torch.uint8))
        return self._chunks[index]


class Arena:
    """What a recorded step computes, from the beginning of a slab on: a piece is given out again once no tensor on it
    is left."""

    def __init__(self, slab: Slab) -> None:
        self._slab, self._chunk, self._used = slab, 0, 0
        self._free: dict[int, list[np.ndarray]] = defaultdict(list)

    def take(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor that is not initialised."""
        count = int(np.prod(shape))
        size = -(-count * dtype.itemsize // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        piece = self._free[size].pop() if self._free[size] else self._grow(size)
        lent = piece[:]
        # The storage of a tensor keeps the array that it was made of; when it lets go of it, nobody uses the piece.
        finalize(lent, self._free[size].append, piece)
        return torch.from_numpy(lent).view(dtype)[:count].view(*shape)

    def _grow(self, size: int) -> np.ndarray:
        while self._used + size > len(chunk := self._slab.chunk(self._chunk, size)):
            self._chunk, self._used = self._chunk + 1, 0
        begin, self._used = self._used, self._used + size
        found: np.ndarray = chunk[begin : self._used].numpy()
        return found


class Beginning:
    """The first rows of a tensor, as a step of fewer has them."""

    def __init__(self, whole: Tensor) -> None:
        self._whole, self._parts = whole, dict[int, Tensor]()

    def __len__(self) -> int:
        return len(self._whole)

    def __getitem__(self, num_rows: int) -> Tensor:
        """Made once: torch gives the interpreter to another thread while it makes a tensor."""
        if num_rows not in self._parts:
            self._parts[num_rows] = self._whole[:num_rows]
        return self._parts[num_rows]


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a step leaves its scores and the likeliest tokens."""

    scores_TV: Beginning
    chosen_T: np.ndarray


@dataclass(slots=True)
class Recording:
    """A step's operations, and where it reads and writes: `layers` is the cache that it works on. Whoever made it keeps
    the model's weights alive.

    `num_forward`: how many operations make `result_TD`. `choice`: what the others make, the choice being the last; None
    as long as there are no others.
    """

    program: "Program"
    tokens_T: Tensor
    positions_T: Tensor
    result_TD: Beginning
    layers: Sequence[LayerCache]
    num_forward: int
    choice: Choice | None = None

    def replay(
        self, tokens_T: Tensor, positions_T: Tensor, plan: "AttentionPlan", num_operations: int
    ) -> None:
        """The same for other tokens, at most as many, up to so many operations; results hold until the next replay.
        Asks nothing of torch, for which the interpreter would be given to another thread in the midst of it."""
        assert tokens_T.shape == positions_T.shape
        assert tokens_T.is_contiguous()
        assert positions_T.is_contiguous()
        self.program.run(tokens_T.data_ptr(), positions_T.data_ptr(), len(tokens_T), plan, num_operations)

    def replay_all(
        self, tokens_T: Tensor, positions_T: Tensor, plan: "AttentionPlan", *, chooses: bool
    ) -> Decoded:
        """Scores too, and where it `chooses`, the likeliest tokens."""
        assert self.choice is not None
        num_rows = len(tokens_T)
        self.replay(tokens_T, positions_T, plan, len(self.program) - (not chooses))
        chosen = self.choice.chosen_T[:num_rows].tolist() if chooses else None
        return Decoded(self.result_TD[num_rows], self.choice.scores_TV[num_rows], chosen)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees what a model asks of torch itself. Rows of a table are turned over to `embed`; `is_complete` stays true as
    long as there is nothing else but views."""

    def __init__(self, embed: Callable[[Tensor, Tensor], Tensor], indexes: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._embed = embed
        self._indexes = {index.data_ptr() for index in indexes}
        self.is_complete = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """See `TorchDispatchMode`."""
        if func is _aten.index_select.default and args[1] == 0 and args[2].data_ptr() in self._indexes:
            return self._embed(args[0], args[2])
        if func not in _COMPUTES_NOTHING:
            self.is_complete = False
        return func(*args, **(kwargs or {}))
