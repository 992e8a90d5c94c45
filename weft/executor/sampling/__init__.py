"""From logits to tokens: what a request asks of the choice, done for many rows at once.

Shape suffixes in this package: R rows of one call, V tokens of the vocabulary, K or W the likeliest of them,
D distinct tokens of a sequence, M rows of the executor.
"""

from weft.executor.sampling.rows import check_vocabulary
from weft.executor.sampling.sampler import NOT_FINITE, Sampled, Sampler

__all__ = ["NOT_FINITE", "Sampled", "Sampler", "check_vocabulary"]
