"""Attention over whole sequences packed side by side, without kept state."""

import torch
from torch import Tensor
from torch.nn import functional

from weft.ops.backend import PackedBatch

EXPLICIT_TOKENS = 1024
"""The longest sequence of which the probabilities are laid out in memory: 2 MB per head there."""


def attend_packed(q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, batch: PackedBatch) -> Tensor:
    """Causal attention within each sequence: [T, H * E]. Differentiable."""
    window, longest_tokens = batch.layer_windows[layer], max(batch.lengths)
    lengths = list(batch.lengths)
    parts = zip(*(torch.split(x, lengths) for x in (q_THE, k_TGE, v_TGE)), strict=True)
    if _is_explicit(q_THE, longest_tokens):
        mask = causal_mask(0, longest_tokens, 0, longest_tokens, window, q_THE.device)
        bias_TT = torch.zeros_like(mask, dtype=q_THE.dtype).masked_fill_(~mask, -torch.inf)
        return torch.cat([_attend_explicitly(q, k, v, bias_TT) for q, k, v in parts]).flatten(1)
    return torch.cat([_attend(q, k, v, window) for q, k, v in parts]).flatten(1)


def _is_explicit(q_THE: Tensor, longest_tokens: int) -> bool:
    """torch's fused kernel for CPUs takes two to three times as long in narrow formats as plain products do."""
    is_narrow = q_THE.dtype.itemsize < torch.float32.itemsize
    return q_THE.device.type == "cpu" and is_narrow and longest_tokens <= EXPLICIT_TOKENS


def _attend(q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, window_tokens: int | None) -> Tensor:
    q_HTE, k_GTE, v_GTE = (x.transpose(0, 1)[None] for x in (q_THE, k_TGE, v_TGE))
    num_tokens = q_THE.shape[0]
    if window_tokens is None or window_tokens >= num_tokens:
        out = functional.scaled_dot_product_attention(q_HTE, k_GTE, v_GTE, is_causal=True, enable_gqa=True)
    else:
        mask = causal_mask(0, num_tokens, 0, num_tokens, window_tokens, q_THE.device)
        out = functional.scaled_dot_product_attention(q_HTE, k_GTE, v_GTE, attn_mask=mask, enable_gqa=True)
    return out[0].transpose(0, 1)


def _attend_explicitly(q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, bias_TT: Tensor) -> Tensor:
    """The same by plain products. `bias_TT`: minus infinity where a position does not see another, of the longest
    sequence. Queries that share keys are rows of one product."""
    num_tokens, num_heads, head_dim = q_THE.shape
    num_groups = k_TGE.shape[1]
    grouped = (num_groups, num_heads // num_groups, num_tokens)
    q_GRTE = (q_THE * head_dim**-0.5).view(num_tokens, *grouped[:2], head_dim).permute(1, 2, 0, 3)
    scores_GQT = torch.bmm(q_GRTE.flatten(1, 2), k_TGE.permute(1, 2, 0))
    scores_GQT.view(*grouped, num_tokens).add_(bias_TT[:num_tokens, :num_tokens])
    out_GQE = torch.bmm(scores_GQT.softmax(-1), v_TGE.transpose(0, 1))
    return out_GQE.view(*grouped, head_dim).permute(2, 0, 1, 3).reshape(q_THE.shape)


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
