"""Log-probabilities under the model's own distribution: the logits as they came, at temperature 1."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from weft.contracts.steps import Candidate, TokenLogprobs
from weft.executor.sampling.edits import ban
from weft.executor.sampling.ranking import ranked, row_chunks


class Wanted(NamedTuple):
    """A row of logits whose log-probabilities are wanted: of the token chosen, and of so many of the likeliest."""

    row: int
    token: int
    num_likeliest: int


def token_logprobs(logits_RV: Tensor, wanted: Sequence[Wanted]) -> list[TokenLogprobs]:
    """What is wanted, in the same order."""
    if not wanted:
        return []
    rows = torch.tensor([each.row for each in wanted], device=logits_RV.device)
    chosen_RV = logits_RV[rows]
    parts = [_of_chunk(chosen_RV[chunk], wanted[chunk]) for chunk in row_chunks(chosen_RV)]
    return [report for part in parts for report in part]


def likeliest_tokens(logits_V: Tensor, banned: Tensor | None, count: int) -> tuple[Candidate, ...]:
    """The `count` likeliest tokens (fewer where there are not so many) that are neither banned nor impossible."""
    logprobs_RV = logits_V[None].log_softmax(-1)
    if banned is not None:
        ban(logprobs_RV, [(0, banned)])
    (candidates,) = _candidates(logprobs_RV, [count])
    return tuple(candidate for candidate in candidates if candidate.logprob > -inf)


def _of_chunk(logits_RV: Tensor, wanted: Sequence[Wanted]) -> list[TokenLogprobs]:
    logprobs_RV = logits_RV.log_softmax(-1)
    tokens_R = torch.tensor([each.token for each in wanted], device=logits_RV.device)
    chosen: list[float] = logprobs_RV.gather(-1, tokens_R[:, None])[:, 0].tolist()
    likeliest = _candidates(logprobs_RV, [each.num_likeliest for each in wanted])
    reports = zip(wanted, chosen, likeliest, strict=True)
    return [TokenLogprobs(each.token, logprob, candidates) for each, logprob, candidates in reports]


def _candidates(logprobs_RV: Tensor, counts: Sequence[int]) -> list[tuple[Candidate, ...]]:
    """The likeliest tokens of each row, as many as its count says."""
    most = min(max(counts), logprobs_RV.shape[-1])
    if most == 0:
        return [() for _ in counts]
    logprobs_RK, tokens_RK = ranked(logprobs_RV, most)
    rows = zip(tokens_RK.tolist(), logprobs_RK.tolist(), counts, strict=True)
    return [tuple(map(Candidate, tokens[:count], logprobs[:count])) for tokens, logprobs, count in rows]
