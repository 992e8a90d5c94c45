"""How long the outputs of an emulated model are, which its executor alone reads."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from random import Random

from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.requests import Request, SamplingParams
from weft.simulator.simulated_rows import NEVER

DEFAULT_MEAN_TOKENS = 200.0
"""Near the mean of Azure's conversations of 2023, 211 (Patel et al., "Splitwise", ISCA 2024)."""

WITHOUT_MODEL = ("beam_width", "logprobs", "prompt_logprobs", "constraint", "logit_bias")
"""Parameters that only a model can follow."""


class EmulatedOutputs:
    """Outputs end by chance, at any token with the same one, after `mean_tokens` on average; where the model's end is
    to be ignored, by their limit only. `end_token_ids`: what that end is. `lengths`: by request id, of each output, as
    `SimulatedRows` takes them."""

    def __init__(self, mean_tokens: float, seed: int = 0) -> None:
        if not 1.0 <= mean_tokens < inf:
            raise ConfigurationError(f"output_tokens is {mean_tokens:g}; give a finite mean of at least 1")
        self.lengths: dict[str, tuple[int, ...]] = {}
        self.end_token_ids: Sequence[int] = ()
        self._mean_tokens, self._seed = mean_tokens, seed

    @asynccontextmanager
    async def held(self, request: Request) -> AsyncIterator[None]:
        """Within, the executor knows the lengths of a request's outputs. Raises `InvalidRequest` where it asks for what
        nobody knows without a model."""
        _check(request.sampling, self.end_token_ids)
        self.lengths[request.request_id] = self._drawn(request)
        try:
            yield
        finally:
            del self.lengths[request.request_id]

    def _drawn(self, request: Request) -> tuple[int, ...]:
        sampling, random = request.sampling, Random(f"{self._seed}/{request.request_id}")
        if sampling.ignore_eos:
            return (NEVER,) * sampling.n
        drawn = (round(random.expovariate(1.0 / self._mean_tokens)) for _ in range(sampling.n))
        lengths = (max(1, sampling.min_tokens, each) for each in drawn)
        return tuple(NEVER if each > sampling.max_tokens else each for each in lengths)

    def close(self) -> None:
        """Nothing is left to end."""


def _check(sampling: SamplingParams, end_token_ids: Sequence[int]) -> None:
    plain = SamplingParams()
    asked = [name for name in WITHOUT_MODEL if getattr(sampling, name) != getattr(plain, name)]
    if any(each not in end_token_ids for each in sampling.stop_token_ids):
        asked.append("stop_token_ids")
    if asked:
        value = getattr(sampling, asked[0])
        raise InvalidRequest(f"{asked[0]} is {value!r}, which an emulated model cannot follow; leave it out")
