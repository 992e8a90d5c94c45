"""What requests want to know of their prompts, read from hidden states as they are computed.

A row's answer is a pure function of its own hidden states, however its prompt is split over steps and whatever else is
computed beside it.
"""

from array import array

import torch
from torch import Tensor

from weft.contracts.errors import InvariantViolation
from weft.contracts.requests import Pooling
from weft.contracts.steps import Admission, PromptPart, TokenLogprobs
from weft.executor.sampling.logprobs import Wanted, token_logprobs
from weft.models.decoder import Decoder

MOST_LOGITS = 1 << 24
"""Logits of so many positions times tokens exist at once (64 MiB), however long the prompt."""

_UNIT = 2.0**-30
"""Sums of hidden states count in this. Integers add up to the same in any order and grouping, which floats do not; at
2^20 tokens there is room for states up to 2^13, and after the last norm they are around 1."""


class PromptReader:
    """The wishes of the sequence in one row, and how far they are fulfilled."""

    __slots__ = ("_num_likeliest", "_pooling", "_prompt", "_sum_D")

    def __init__(self, admission: Admission, prompt: tuple[int, ...]) -> None:
        request = admission.request
        self._prompt, self._pooling = prompt, request.pooling
        self._num_likeliest = request.sampling.prompt_logprobs
        self._sum_D: Tensor | None = None
        if self._pooling is Pooling.MEAN and admission.num_computed:
            detail = f"row {admission.row}: {admission.num_computed} units are missing in a mean over all"
            raise InvariantViolation("pooled_from_the_start", detail)

    def read(self, model: Decoder, start: int, hidden_TD: Tensor) -> PromptPart:
        """What the hidden states at positions from `start` on tell; those of output tokens tell nothing."""
        logprobs = () if self._num_likeliest is None else self._logprobs(model, start, hidden_TD)
        return PromptPart(start + 1, logprobs, self._pool(start, hidden_TD))

    def _logprobs(self, model: Decoder, start: int, hidden_TD: Tensor) -> tuple[TokenLogprobs, ...]:
        assert self._num_likeliest is not None
        following = self._prompt[start + 1 : start + 1 + len(hidden_TD)]
        rows = max(1, MOST_LOGITS // model.spec.vocab_size)
        found: list[TokenLogprobs] = []
        for first in range(0, len(following), rows):
            tokens = following[first : first + rows]
            wanted = [Wanted(row, token, self._num_likeliest) for row, token in enumerate(tokens)]
            found += token_logprobs(model.logits(hidden_TD[first : first + len(tokens)]), wanted)
        return tuple(found)

    def _pool(self, start: int, hidden_TD: Tensor) -> "array[float] | None":
        is_last = start + len(hidden_TD) == len(self._prompt)
        if self._pooling is Pooling.MEAN:
            added_D = (hidden_TD.double() / _UNIT).round().long().sum(0)
            self._sum_D = added_D if self._sum_D is None else self._sum_D + added_D
            return _normalised(self._sum_D) if is_last else None
        return _normalised(hidden_TD[-1]) if is_last and self._pooling is Pooling.LAST else None


def prompt_reader(admission: Admission, prompt: tuple[int, ...]) -> PromptReader | None:
    """For the sequence that takes a row; None where it wants nothing. Only a request's first output asks."""
    request = admission.request
    asks = request.sampling.prompt_logprobs is not None or request.pooling is not None
    return PromptReader(admission, prompt) if asks and admission.sample_index == 0 else None


def _normalised(x_D: Tensor) -> "array[float]":
    """The direction of a vector as float32 of length 1; all zeros stay so. How many it is a sum of has no say in it."""
    wide_D = x_D.double()
    length = wide_D.square().sum().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
    values: list[float] = (wide_D / length).tolist()
    return array("f", values)
