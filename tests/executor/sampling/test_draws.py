"""Draws where sums of logit and noise are equal: rare, but a repeat must not find another token."""

import pytest
import torch

from weft.contracts.requests import SamplingParams
from weft.executor.sampling.draws import draw
from weft.executor.sampling.filters import make_filters
from weft.executor.sampling.noise import gumbel_noise


@pytest.mark.parametrize("filtered", [False, True])
def test_equal_sums_give_the_smaller_token(filtered: bool) -> None:
    """Token 1 is likelier and token 0 has as much more noise: logits made so that the sums are equal."""
    keys_R = torch.arange(1000)
    noise_RV = gumbel_noise(keys_R, torch.arange(2))
    behind_R = noise_RV[:, 1] - noise_RV[:, 0]
    is_tie_R = (behind_R < -0.1) & (behind_R > -8.0) & (behind_R + noise_RV[:, 0] == noise_RV[:, 1])
    logits_RV = torch.stack([behind_R, torch.zeros(1000)], dim=-1)[is_tie_R]
    filters = make_filters([SamplingParams(top_p=1.0 - 1e-9)] * len(logits_RV), 2, torch.device("cpu"))
    assert len(logits_RV) > 100
    assert not draw(logits_RV, keys_R[is_tie_R], filters, filtered).any()
