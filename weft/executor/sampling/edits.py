"""Changes of single logits: logit bias, and tokens that may not be produced yet."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor


class Bias(NamedTuple):
    """What is added to the logits of some tokens: distinct ids (int64) and amounts (float32)."""

    tokens_D: Tensor
    amounts_D: Tensor


def add_bias(logits_RV: Tensor, biases: Sequence[tuple[int, Bias]]) -> None:
    """Add each row's bias in place; `biases` names rows of `logits_RV`."""
    if not biases:
        return
    amounts = torch.cat([bias.amounts_D for _, bias in biases])
    logits_RV.view(-1)[flat(logits_RV, [(row, bias.tokens_D) for row, bias in biases])] += amounts


def ban(logits_RV: Tensor, banned: Sequence[tuple[int, Tensor]]) -> None:
    """Set logits to minus infinity in place; `banned` names rows of `logits_RV` and token ids (int64).

    Where that would leave a row without any token, its likeliest token stays: something must be produced.
    """
    if not banned:
        return
    rows = torch.tensor([row for row, _ in banned], device=logits_RV.device)
    likeliest_R = logits_RV[rows].argmax(-1)
    rescued_R = logits_RV[rows, likeliest_R]
    logits_RV.view(-1)[flat(logits_RV, banned)] = -inf
    empty_R = logits_RV[rows].amax(-1) == -inf
    logits_RV[rows[empty_R], likeliest_R[empty_R]] = rescued_R[empty_R]


def flat(x_RV: Tensor, tokens: Sequence[tuple[int, Tensor]]) -> Tensor:
    """Indexes into the flattened `x_RV` of these tokens of these rows, one after the other (int64)."""
    width = x_RV.shape[-1]
    return torch.cat([tokens_D + row * width for row, tokens_D in tokens])
