"""One token per row from adjusted logits: the likeliest, or a draw from the softmax of what the filters keep.

Equal sums of logit and noise: the smaller token id is taken, as `torch.argmax` does by its documentation.
"""

from math import inf

import numpy as np
import torch
from torch import Tensor

from weft.executor.sampling.filters import Filters, drop_unlikely, keep, scale
from weft.executor.sampling.noise import gumbel_noise
from weft.executor.sampling.ranking import row_chunks


def take_likeliest(logits_RV: Tensor) -> Tensor:
    """The likeliest token of each row, int64 [R]; the smallest id among equals."""
    if logits_RV.device.type == "cpu":  # with vector instructions, which torch does not use for this
        return torch.from_numpy(np.argmax(logits_RV.numpy(), -1))
    return logits_RV.argmax(-1)


def draw(logits_RV: Tensor, keys_R: Tensor, filters: Filters, filtered: bool) -> Tensor:
    """A token of each row drawn with the noise of `keys_R`, int64 [R].

    `filtered`: top-k or top-p may drop something; otherwise all tokens are weighed without being ordered. A row with a
    NaN, which `scale` spreads over all of it, gets a token beyond the vocabulary.
    """
    draw_chunk = _draw_ordered if filtered else _draw_from_all
    chunks = row_chunks(logits_RV)
    return torch.cat([draw_chunk(logits_RV[rows], keys_R[rows], filters.of(rows)) for rows in chunks])


def _draw_from_all(logits_RV: Tensor, keys_R: Tensor, filters: Filters) -> Tensor:
    scaled_RV = drop_unlikely(scale(logits_RV, filters), filters)
    tokens_V = torch.arange(logits_RV.shape[-1], device=logits_RV.device)
    noisy_RV = scaled_RV.add_(gumbel_noise(keys_R, tokens_V))
    tokens_R = noisy_RV.argmax(-1)
    is_lost_R = noisy_RV.gather(-1, tokens_R[:, None])[:, 0].isnan()
    return tokens_R.masked_fill_(is_lost_R, logits_RV.shape[-1])


def _draw_ordered(logits_RV: Tensor, keys_R: Tensor, filters: Filters) -> Tensor:
    """Noise is only computed for the tokens that were ordered."""
    tokens_R = torch.empty_like(keys_R)
    for kept in keep(scale(logits_RV, filters), filters):
        noisy_DW = kept.scaled_DW + gumbel_noise(keys_R[kept.rows_D], kept.tokens_DW)
        best_D1 = noisy_DW.amax(-1, keepdim=True)
        is_best_DW = (noisy_DW == best_D1) & (best_D1 > -inf)
        beyond = logits_RV.shape[-1]
        tokens_R[kept.rows_D] = kept.tokens_DW.masked_fill(~is_best_DW, beyond).amin(-1)
    return tokens_R
