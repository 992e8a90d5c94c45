"""What a request wants to know of its prompt, as steps find it out.

Positions whose state comes from the prefix cache pass no step and so tell nothing: a sequence with a report says how
many it can do without.
"""

from array import array

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Pooling, Request
from weft.contracts.steps import PromptPart, TokenLogprobs


class PromptReport:
    """`logprobs`: of the prompt's tokens from the second on, as far as known. `embedding`: once all is computed."""

    __slots__ = ("_num_wanted", "_pooling", "embedding", "logprobs")

    def __init__(self, request: Request) -> None:
        self.logprobs: list[TokenLogprobs] = []
        self.embedding: array[float] | None = None
        self._pooling = request.pooling
        asks = request.sampling.prompt_logprobs is not None
        self._num_wanted = request.prompt.num_tokens - 1 if asks else 0

    def take(self, part: PromptPart) -> None:
        """Take in what a step found out; what a preempted sequence computes again is known already."""
        self.logprobs += part.logprobs[len(self.logprobs) + 1 - part.first :]
        if part.embedding is not None:
            self.embedding = part.embedding

    def num_skippable(self, num_units: int) -> int:
        """Of the first `num_units` units, how many need not pass a step any more."""
        if self._pooling is Pooling.MEAN:
            return 0
        num_known = len(self.logprobs)
        return num_units if num_known == self._num_wanted else min(num_units, num_known)

    @property
    def survives_swap(self) -> bool:
        """Whether it goes on where it was after a swap. A sum of hidden states goes with the row that held it."""
        return self._pooling is not Pooling.MEAN

    def require_complete(self) -> None:
        """All of the prompt is computed. Raises `ConfigurationError` where the executor has not told all."""
        if len(self.logprobs) < self._num_wanted:
            raise ConfigurationError(
                "this executor tells no log-probabilities of prompts; do not ask for them"
            )
        if self._pooling is not None and self.embedding is None:
            raise ConfigurationError("this executor makes no embeddings; serve a model to get them")


def prompt_report(request: Request, sample_index: int) -> PromptReport | None:
    """Of a new sequence; of several outputs of one prompt, the first one's is everybody's."""
    asks = request.sampling.prompt_logprobs is not None or request.pooling is not None
    return PromptReport(request) if asks and sample_index == 0 else None
