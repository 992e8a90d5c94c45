"""Attention over whole sequences packed side by side, without kept state."""

import torch
from torch import Tensor
from torch.nn import functional

from weft.ops.backend import PackedBatch


def attend_packed(q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, batch: PackedBatch) -> Tensor:
    """Causal attention within each sequence: [T, H * E]. Differentiable."""
    window = batch.layer_windows[layer]
    lengths = list(batch.lengths)
    parts = zip(*(torch.split(x, lengths) for x in (q_THE, k_TGE, v_TGE)), strict=True)
    return torch.cat([_attend(q, k, v, window) for q, k, v in parts]).flatten(1)


def _attend(q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, window_tokens: int | None) -> Tensor:
    q_HTE, k_GTE, v_GTE = (x.transpose(0, 1)[None] for x in (q_THE, k_TGE, v_TGE))
    num_tokens = q_THE.shape[0]
    if window_tokens is None or window_tokens >= num_tokens:
        out = functional.scaled_dot_product_attention(q_HTE, k_GTE, v_GTE, is_causal=True, enable_gqa=True)
    else:
        mask = causal_mask(0, num_tokens, 0, num_tokens, window_tokens, q_THE.device)
        out = functional.scaled_dot_product_attention(q_HTE, k_GTE, v_GTE, attn_mask=mask, enable_gqa=True)
    return out[0].transpose(0, 1)


def causal_mask(
    start: int,
    num_units: int,
    first_key: int,
    num_keys: int,
    window_tokens: int | None,
    device: torch.device,
) -> Tensor:
    """Which of the keys at positions from `first_key` the units at positions from `start` see: [units, keys]."""
    queries = torch.arange(start, start + num_units, device=device)[:, None]
    keys = torch.arange(first_key, first_key + num_keys, device=device)[None]
    mask = keys <= queries
    return mask if window_tokens is None else mask & (keys > queries - window_tokens)
