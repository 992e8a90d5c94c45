"""Documents side by side in batches of about equally many tokens, without padding."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from weft.training.text.documents import TokenDocument


class Batch(NamedTuple):
    """Whole documents, each of which sees only itself.

    `lengths`: of the documents. `predicting_N`: the rows of the batch whose following token is learnt, and
    `targets_N` those tokens. `learnt_bytes`: of text that the targets stand for.
    """

    tokens_T: Tensor
    positions_T: Tensor
    lengths: tuple[int, ...]
    predicting_N: Tensor
    targets_N: Tensor
    learnt_bytes: int


def pack(documents: Iterable[TokenDocument], batch_tokens: int) -> Iterator[Batch]:
    """Batches of at most `batch_tokens` (of a single document where it alone is longer), in order."""
    waiting: list[TokenDocument] = []
    num_tokens = 0
    for document in documents:
        if waiting and num_tokens + len(document.token_ids) > batch_tokens:
            yield make_batch(waiting)
            waiting, num_tokens = [], 0
        waiting.append(document)
        num_tokens += len(document.token_ids)
    if waiting:
        yield make_batch(waiting)


def make_batch(documents: list[TokenDocument]) -> Batch:
    """One batch of these documents."""
    tokens_T = torch.tensor([token for document in documents for token in document.token_ids])
    learnt_T = torch.tensor([learnt for document in documents for learnt in document.learnt])
    lengths = tuple(len(document.token_ids) for document in documents)
    positions_T = torch.cat([torch.arange(length) for length in lengths])
    # The first token of a document follows nothing, so nothing predicts it.
    targets_at_N = (learnt_T & (positions_T > 0)).nonzero()[:, 0]
    learnt_bytes = sum(document.learnt_bytes for document in documents)
    return Batch(tokens_T, positions_T, lengths, targets_at_N - 1, tokens_T[targets_at_N], learnt_bytes)
