"""Log-probabilities are those of the model, whatever the request does to the choice."""

import math

import pytest
import torch

from tests.executor.sampling.reference import request
from weft.contracts.requests import SamplingParams
from weft.contracts.steps import Candidate
from weft.executor.sampling import Sampler

PROMPT = 3
LOGITS = [1.0, 4.0, 2.0, 4.0, -math.inf, 0.5]
EXPECTED = [logit - math.log(sum(map(math.exp, LOGITS))) for logit in LOGITS]


def sampler(*params: SamplingParams) -> Sampler:
    made = Sampler(len(LOGITS), 8, torch.device("cpu"))
    for row, each in enumerate(params):
        made.admit(row, request(each), 0, ())
    return made


def test_only_rows_that_ask_get_them() -> None:
    distorted = SamplingParams(temperature=0.0, logprobs=3, logit_bias={5: 50.0})
    made = sampler(SamplingParams(), distorted, SamplingParams(logprobs=0, temperature=0.0))
    tokens, logprobs, *_ = made.sample(torch.tensor([LOGITS] * 3), (2, 1, 0), (PROMPT,) * 3)
    assert tokens[:2] == [1, 5]
    assert sorted(logprobs) == [1, 2]
    assert logprobs[1].token == 5
    assert logprobs[1].logprob == pytest.approx(EXPECTED[5], abs=1e-5)
    assert [each.token for each in logprobs[1].likeliest] == [1, 3, 2]
    assert [each.logprob for each in logprobs[1].likeliest] == pytest.approx(
        [EXPECTED[1], EXPECTED[3], EXPECTED[2]], abs=1e-5
    )
    assert (logprobs[2].token, logprobs[2].likeliest) == (1, ())


def test_more_than_the_vocabulary_is_the_vocabulary() -> None:
    _, logprobs, *_ = sampler(SamplingParams(logprobs=20)).sample(torch.tensor([LOGITS]), (0,), (PROMPT,))
    assert [each.token for each in logprobs[0].likeliest] == [1, 3, 2, 0, 5, 4]


def candidates(params: SamplingParams, position: int, count: int) -> tuple[Candidate, ...]:
    return sampler(params).likeliest(torch.tensor(LOGITS), 0, position, count)


def test_candidates_of_a_beam() -> None:
    found = candidates(SamplingParams(beam_width=2), PROMPT, 3)
    assert [each.token for each in found] == [1, 3, 2]
    assert [each.logprob for each in found] == pytest.approx(
        [EXPECTED[1], EXPECTED[3], EXPECTED[2]], abs=1e-5
    )


def test_impossible_tokens_are_no_candidates() -> None:
    assert [each.token for each in candidates(SamplingParams(), PROMPT, 6)] == [1, 3, 2, 0, 5]
    assert [each.token for each in candidates(SamplingParams(), PROMPT, 600)] == [1, 3, 2, 0, 5]


def test_a_beam_does_not_end_too_early() -> None:
    params = SamplingParams(beam_width=2, min_tokens=2, stop_token_ids=(1, 2))
    early, late = candidates(params, PROMPT + 1, 2), candidates(params, PROMPT + 2, 2)
    assert [each.token for each in early] == [3, 0]
    assert [each.token for each in late] == [1, 3]
    assert early[0].logprob == late[1].logprob
    hopeless = SamplingParams(min_tokens=2, stop_token_ids=tuple(range(6)))
    assert [each.token for each in candidates(hopeless, PROMPT, 2)] == [1]
