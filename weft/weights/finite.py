"""Whether weights are numbers: a NaN in one of them turns up much later, as nonsense in every token."""

import math

import torch
from torch import Tensor


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinity.

    Its extremes tell, because NaN propagates into them. Measured on two shared CPU cores this adds about 10 % to
    loading bf16 as fp32 and 16 to 20 % to loading bf16 as it is; `torch.isfinite` alone takes 25 to 40 times as
    long as the extremes, and checking in pieces as they are copied more than doubled the time.
    """
    if tensor.numel() == 0:
        return True
    return all(math.isfinite(extreme.item()) for extreme in torch.aminmax(tensor))
