"""What the sampler keeps of a sequence: its request's wishes in the form that a step needs them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from weft.contracts.errors import InvalidRequest, InvariantViolation
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.executor.sampling.edits import Bias
from weft.executor.sampling.filters import is_filtered
from weft.executor.sampling.noise import position_key, seed_of, stream_of
from weft.executor.sampling.penalties import TokenHistory, has_penalties


@dataclass(frozen=True, slots=True)
class Row:
    """A sequence in a row.

    `stream`: of its noise. `filtered`: tokens must be ordered. `bias`, `early_ends` (ids that may not be produced
    while fewer than min_tokens outputs exist) and `history` are None where the request has no such wish.
    """

    params: SamplingParams
    num_prompt: int
    stream: int
    filtered: bool
    bias: Bias | None
    early_ends: Tensor | None
    history: TokenHistory | None

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken, without noise."""
        return self.params.temperature == 0.0

    @property
    def takes_likeliest(self) -> bool:
        """Whether it is the likeliest under the unchanged logits, constraints apart, without log-probabilities."""
        edits = (self.bias, self.early_ends, self.history)
        return self.is_greedy and edits == (None, None, None) and self.params.logprobs is None

    def key(self, position: int) -> int:
        """The key of the noise at a position."""
        return position_key(self.stream, position)

    def output_index(self, position: int) -> int:
        """Which output token stands at an absolute position."""
        if position < self.num_prompt:
            detail = f"position {position} is inside the prompt of {self.num_prompt} tokens"
            raise InvariantViolation("sampled_after_prompt", detail)
        return position - self.num_prompt

    def banned(self, position: int) -> Tensor | None:
        """Ids that may not be produced at this position."""
        too_early = self.output_index(position) < self.params.min_tokens
        return self.early_ends if too_early else None


def make_row(
    request: Request,
    sample_index: int,
    output_tokens: Sequence[int],
    vocab_size: int,
    device: torch.device,
) -> Row:
    """The row of a sequence with `output_tokens` so far."""
    check_vocabulary(request, vocab_size)
    params = request.sampling
    return Row(
        params,
        request.prompt.num_tokens,
        stream_of(seed_of(request), sample_index),
        is_filtered(params, vocab_size),
        _bias(params, device),
        _early_ends(params, vocab_size, device),
        _history(request, output_tokens, vocab_size, device) if has_penalties(params) else None,
    )


def check_vocabulary(request: Request, vocab_size: int) -> None:
    """Raise `InvalidRequest` where a request changes the logit of a token that the model does not have.

    For the edge, which knows the model and can still answer the client; the sampler calls it again.
    """
    for token in request.sampling.logit_bias:
        if not 0 <= token < vocab_size:
            problem = f"logit_bias names token {token}; the model's token ids are 0 to {vocab_size - 1}"
            raise InvalidRequest(problem)


def _have_logits(tokens: Iterable[int], vocab_size: int) -> list[int]:
    """The tokens that the model could produce, each once; a model may read more tokens than it writes."""
    return [token for token in dict.fromkeys(tokens) if 0 <= token < vocab_size]


def _prompt_tokens(request: Request) -> list[int]:
    """The tokens of the prompt without the placeholders of media items, which are no text."""
    prompt = request.prompt
    if not isinstance(prompt, TokenPrompt):
        raise InvalidRequest("repetition_penalty needs a prompt of tokens, not only of lengths or hashes")
    tokens = list(prompt.tokens)
    for item in reversed(prompt.media):
        del tokens[item.start : item.start + item.num_tokens]
    return tokens


def _bias(params: SamplingParams, device: torch.device) -> Bias | None:
    if not params.logit_bias:
        return None
    tokens = torch.tensor(list(params.logit_bias), dtype=torch.int64, device=device)
    return Bias(tokens, torch.tensor(list(params.logit_bias.values()), dtype=torch.float32, device=device))


def _early_ends(params: SamplingParams, vocab_size: int, device: torch.device) -> Tensor | None:
    ends = _have_logits(params.stop_token_ids, vocab_size) if params.min_tokens else []
    return torch.tensor(ends, dtype=torch.int64, device=device) if ends else None


def _history(
    request: Request, output_tokens: Sequence[int], vocab_size: int, device: torch.device
) -> TokenHistory:
    """Only the repetition penalty looks at the prompt."""
    prompt = _prompt_tokens(request) if request.sampling.repetition_penalty != 1.0 else []
    history = TokenHistory(request.sampling, _have_logits(prompt, vocab_size), device)
    history.replace(0, output_tokens)
    return history
