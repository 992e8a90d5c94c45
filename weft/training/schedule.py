"""The learning rate over a run."""

import math


def learning_rate(step: int, num_steps: int, peak: float, warmup_steps: int, final_share: float) -> float:
    """Linear up to `peak`, then half a cosine wave down to `final_share` of it (arXiv 1608.03983, equation 5).

    `step` counts from 0.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    return peak * (final_share + (1 - final_share) * (1 + math.cos(math.pi * progress)) / 2)
