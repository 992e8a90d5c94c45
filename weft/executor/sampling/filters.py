"""Which tokens stay after temperature: top-k, top-p, min-p, in this order.

Top-k is from Fan et al., "Hierarchical Neural Story Generation", 2018; top-p (the nucleus) from Holtzman et al.,
"The Curious Case of Neural Text Degeneration", 2019; min-p from Nguyen et al., "Turning Up the Heat", 2024.

Every filter keeps a beginning of the tokens ordered by `ranked`, so a nucleus is found among the likeliest few and the
rest is only sorted for the rows that need it. Equal tokens at the end of what is kept: those with smaller ids stay.
"""

from collections.abc import Iterator, Sequence
from math import inf, log
from typing import NamedTuple

import torch
from torch import Tensor

from weft.contracts.requests import SamplingParams
from weft.executor.sampling.ranking import ranked

WINDOWS = (256, 4096)
"""How many of the likeliest tokens to order before ordering all: they change the cost, never the result. Measured with
32,000 tokens and torch 2.13 on x86: ordering 256 costs a twelfth of ordering all, 4,096 a quarter."""

_SMALLEST, _LARGEST = torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max


class Filters(NamedTuple):
    """Settings per row, with values that change nothing where a filter is off.

    `temperature_R`: float32, above 0 (rows at 0 come nowhere near). `top_k_R`: int64, 1 to V. `top_p_R`: float64;
    infinity keeps all. `floor_R`: float32, the logarithm of min_p; minus infinity keeps all.
    """

    temperature_R: Tensor
    top_k_R: Tensor
    top_p_R: Tensor
    floor_R: Tensor

    def of(self, rows: Tensor | slice) -> "Filters":
        """The settings of some of the rows."""
        return Filters(*(setting_R[rows] for setting_R in self))


class Kept(NamedTuple):
    """What stays of some rows.

    `rows_D`: which rows of the input, int64. `scaled_DW`: scaled logits in the order of `ranked`, minus infinity
    for tokens that do not stay. `tokens_DW`: their ids.
    """

    rows_D: Tensor
    scaled_DW: Tensor
    tokens_DW: Tensor


def is_filtered(params: SamplingParams, vocab_size: int) -> bool:
    """Whether tokens must be ordered for these parameters; min-p alone needs no order."""
    return 0 < params.top_k < vocab_size or params.top_p < 1.0


def make_filters(params: Sequence[SamplingParams], vocab_size: int, device: torch.device) -> Filters:
    """The settings of rows with these parameters.

    A temperature beyond float32 becomes the nearest float32 that one can divide by.
    """
    temperatures = [min(max(each.temperature, _SMALLEST), _LARGEST) for each in params]
    top_k = [min(each.top_k or vocab_size, vocab_size) for each in params]
    top_p = [each.top_p if each.top_p < 1.0 else inf for each in params]
    floors = [log(each.min_p) if each.min_p > 0.0 else -inf for each in params]
    return Filters(
        torch.tensor(temperatures, dtype=torch.float32, device=device),
        torch.tensor(top_k, dtype=torch.int64, device=device),
        torch.tensor(top_p, dtype=torch.float64, device=device),
        torch.tensor(floors, dtype=torch.float32, device=device),
    )


def scale(logits_RV: Tensor, filters: Filters) -> Tensor:
    """(logits - highest) / temperature: the highest of each row is 0, so no temperature overflows."""
    scaled_RV = logits_RV - logits_RV.amax(-1, keepdim=True)
    return scaled_RV.div_(filters.temperature_R[:, None])


def drop_unlikely(scaled_RV: Tensor, filters: Filters) -> Tensor:
    """min-p by itself: minus infinity for tokens less than `min_p` times as likely as the likeliest."""
    return scaled_RV.masked_fill(scaled_RV < filters.floor_R[:, None], -inf)


def keep(scaled_RV: Tensor, filters: Filters, windows: Sequence[int] = WINDOWS) -> Iterator[Kept]:
    """What stays of each row, in parts: each row is in the part of the first window that suffices for it."""
    vocab_size = scaled_RV.shape[-1]
    mass_R = scaled_RV.exp().sum(-1, dtype=torch.float64)
    rows = torch.arange(scaled_RV.shape[0], device=scaled_RV.device)
    for window in (*(window for window in windows if window < vocab_size), vocab_size):
        scaled_RW, tokens_RW = ranked(scaled_RV[rows], window)
        kept_RW, decided_R = _within(scaled_RW, mass_R[rows], filters.of(rows), vocab_size)
        scaled_RW.masked_fill_(~kept_RW, -inf)
        yield Kept(rows[decided_R], scaled_RW[decided_R], tokens_RW[decided_R])
        rows = rows[~decided_R]
        if not rows.numel():
            return


def _within(scaled_RW: Tensor, mass_R: Tensor, filters: Filters, vocab_size: int) -> tuple[Tensor, Tensor]:
    """Which of a row's likeliest tokens stay, and whether the window held all that decides it.

    A token stays while those before it have less than `top_p` of the mass that top-k leaves. The mass of all
    tokens is known; that of the `k` likeliest only where the window holds them.
    """
    window = scaled_RW.shape[-1]
    cumulative_RW = scaled_RW.double().exp_().cumsum(-1)
    before_RW = cumulative_RW.roll(1, -1)
    before_RW[:, 0] = 0.0
    top_k_R = filters.top_k_R
    at_top_k_R = cumulative_RW.gather(-1, (top_k_R - 1).clamp(max=window - 1)[:, None])[:, 0]
    mass_R = torch.where(top_k_R < vocab_size, at_top_k_R, mass_R)
    in_nucleus_RW = before_RW < (filters.top_p_R * mass_R)[:, None]
    ranks_W = torch.arange(window, device=scaled_RW.device)
    kept_RW = in_nucleus_RW & (ranks_W < top_k_R[:, None]) & (scaled_RW >= filters.floor_R[:, None])
    ends_here_R = (top_k_R == vocab_size) & ~kept_RW[:, -1]
    return kept_RW, (top_k_R <= window) | ends_here_R
