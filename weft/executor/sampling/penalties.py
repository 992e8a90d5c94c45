"""Penalties for tokens that a sequence already holds.

The repetition penalty is that of CTRL (Keskar et al., 2019, section 4.1) with the sign rule that everybody adopted:
positive logits are divided, negative ones multiplied. Presence and frequency penalty are those of OpenAI's API.

A sequence holds few distinct tokens compared with a vocabulary, so only these are kept and only their logits touched.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from weft.contracts.errors import InvariantViolation
from weft.contracts.requests import SamplingParams
from weft.executor.sampling.edits import flat

_SMALLEST, _LARGEST = torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max


class TokenHistory:
    """The distinct tokens of a sequence and how often each is in its output; tensors follow by changes only.

    `prompt`: tokens that count as repeated without being in the output.
    """

    def __init__(self, params: SamplingParams, prompt: Iterable[int], device: torch.device) -> None:
        self.params = params
        self._output: list[int] = []
        self._counts: dict[int, int] = {}
        self._tokens_D = torch.zeros(0, dtype=torch.int64, device=device)
        self._counts_D = torch.zeros(0, dtype=torch.float32, device=device)
        self._places: dict[int, int] = {}
        """Index of each token in the tensors, which have room to spare at the end; kept also at a count of 0."""
        self._change(Counter(dict.fromkeys(prompt, 0)))
        self._num_prompt = len(self._places)

    @property
    def tokens(self) -> Tensor:
        """Token ids [D], int64, each once."""
        return self._tokens_D[: len(self._places)]

    @property
    def counts(self) -> Tensor:
        """Occurrences of these in the output [D], float32."""
        return self._counts_D[: len(self._places)]

    @property
    def repeated(self) -> Tensor:
        """Whether the sequence holds the token, in prompt or output [D], bool."""
        repeated_D = self.counts > 0
        repeated_D[: self._num_prompt] = True
        return repeated_D

    def replace(self, output_index: int, tokens: Sequence[int]) -> None:
        """The output from `output_index` on becomes `tokens`."""
        if not 0 <= output_index <= len(self._output):
            detail = f"tokens from output {output_index} on; known are {len(self._output)} outputs"
            raise InvariantViolation("sampled_output_without_gap", detail)
        changes = Counter(tokens)
        changes.subtract(self._output[output_index:])
        self._output[output_index:] = tokens
        self._change(changes)

    def _change(self, changes: Counter[int]) -> None:
        for token, change in changes.items():
            self._counts[token] = self._counts.get(token, 0) + change
            self._places.setdefault(token, len(self._places))
        self._make_room(len(self._places))
        device = self._tokens_D.device
        places = torch.tensor([self._places[token] for token in changes], dtype=torch.int64, device=device)
        self._tokens_D[places] = torch.tensor(list(changes), dtype=torch.int64, device=device)
        counts = [self._counts[token] for token in changes]
        self._counts_D[places] = torch.tensor(counts, dtype=torch.float32, device=device)

    def _make_room(self, size: int) -> None:
        room = len(self._tokens_D)
        if size > room:
            more = max(size, 2 * room) - room
            self._tokens_D = torch.cat([self._tokens_D, self._tokens_D.new_zeros(more)])
            self._counts_D = torch.cat([self._counts_D, self._counts_D.new_zeros(more)])


def has_penalties(params: SamplingParams) -> bool:
    """Whether the tokens so far matter."""
    return params.repetition_penalty != 1.0 or bool(params.presence_penalty or params.frequency_penalty)


def penalise(logits_RV: Tensor, histories: Sequence[tuple[int, TokenHistory]]) -> None:
    """Apply each history's penalties in place; `histories` names rows of `logits_RV`."""
    if not histories:
        return
    places = flat(logits_RV, [(row, history.tokens) for row, history in histories])
    logits = logits_RV.view(-1)[places]
    counts = torch.cat([history.counts for _, history in histories])
    repeated = torch.cat([history.repeated for _, history in histories])
    repetition, presence, frequency = _penalties_per_token([history for _, history in histories])
    punished = torch.where(logits > 0, logits / repetition, logits * repetition)
    logits = torch.where(repeated, punished, logits) - presence * (counts > 0) - frequency * counts
    # an extreme repetition penalty must not leave infinities, whose differences are NaN
    logits_RV.view(-1)[places] = logits.clamp_(-_LARGEST, _LARGEST)


def _penalties_per_token(histories: Sequence[TokenHistory]) -> tuple[Tensor, Tensor, Tensor]:
    """Repetition, presence and frequency penalty of each token of each history, float32."""
    device = histories[0].tokens.device
    settings = [
        (
            min(max(history.params.repetition_penalty, _SMALLEST), _LARGEST),
            history.params.presence_penalty,
            history.params.frequency_penalty,
        )
        for history in histories
    ]
    lengths = torch.tensor([len(history.tokens) for history in histories], device=device)
    per_row = torch.tensor(settings, dtype=torch.float32, device=device)
    repetition, presence, frequency = per_row.repeat_interleave(lengths, dim=0).unbind(-1)
    return repetition, presence, frequency
