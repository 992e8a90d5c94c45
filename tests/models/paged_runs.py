"""Logits of our models at every position, computed in steps that a test chooses."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from weft.executor.cache_format import CacheFormat
from weft.executor.loading import build_model
from weft.executor.state_pools import StatePools
from weft.model_specs.families import read_spec
from weft.ops.backend import GroupTables, Ops, PagedBatch, Span
from weft.weights.checkpoint import CheckpointWeights

BLOCK_TOKENS = 8


class PagedRuns:
    """A model from a directory; every text gets blocks of its own."""

    def __init__(
        self,
        directory: Path,
        ops: Ops,
        dtype: torch.dtype = torch.float32,
        device: torch.device = torch.device("cpu"),  # noqa: B008  it never changes
    ) -> None:
        self.spec = read_spec(directory)
        self.ops = ops
        weights = CheckpointWeights(directory, dtype, device)
        self.model = build_model(self.spec, weights, ops, self.spec.max_length_tokens)
        self._dtype, self._device = dtype, device

    @torch.inference_mode()
    def logits(
        self, texts: Sequence[Sequence[int]], steps: Sequence[Sequence[tuple[int, int, int]]]
    ) -> list[Tensor]:
        """Per text the scores after every token; each step computes ranges (text, start, end)."""
        blocks = -(-max(len(text) for text in texts) // BLOCK_TOKENS)
        groups = self.spec.layer_groups
        pools = StatePools(
            self.spec,
            BLOCK_TOKENS,
            [blocks * len(texts)] * len(groups),
            [0] * len(groups),
            CacheFormat(self._dtype, 0),
            self._device,
        )
        found = [torch.zeros(len(text), self.spec.vocab_size) for text in texts]
        for step in steps:
            hidden_TD = self._forward(texts, step, pools, blocks)
            logits_TV = self.model.logits(hidden_TD)
            parts = torch.split(logits_TV, [end - start for _, start, end in step])
            for (text, start, end), part in zip(step, parts, strict=True):
                found[text][start:end] = part
        return found

    def _forward(
        self,
        texts: Sequence[Sequence[int]],
        step: Sequence[tuple[int, int, int]],
        pools: StatePools,
        blocks: int,
    ) -> Tensor:
        tokens = [token for text, start, end in step for token in texts[text][start:end]]
        positions = [position for _, start, end in step for position in range(start, end)]
        spans, first = [], 0
        for _, start, end in step:
            spans.append(Span(first, start, end - start))
            first += end - start
        tables = torch.tensor([[text * blocks + index for index in range(blocks)] for text, _, _ in step])
        groups = [
            GroupTables(tables.to(self._device), group.window_tokens) for group in self.spec.layer_groups
        ]
        plan = self.ops.plan_attention(PagedBatch(spans, groups, pools.layers, BLOCK_TOKENS))
        device = self._device
        return self.model.forward(
            torch.tensor(tokens, device=device), torch.tensor(positions, device=device), plan
        )


def whole(lengths: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """One text after the other, each in one step."""
    return [[(text, 0, length)] for text, length in enumerate(lengths)]


def together(lengths: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """All texts in one step."""
    return [[(text, 0, length) for text, length in enumerate(lengths)]]


def chunked(lengths: Sequence[int], chunk: int) -> list[list[tuple[int, int, int]]]:
    """All texts side by side, so many tokens of each per step."""
    return [
        [(text, start, min(start + chunk, length)) for text, length in enumerate(lengths) if start < length]
        for start in range(0, max(lengths), chunk)
    ]
