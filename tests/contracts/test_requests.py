"""Requests that no engine could serve are refused by field, value and what is allowed."""

import re
from math import inf, nan
from typing import Any

import pytest

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_tokens": -1}, "max_tokens is -1; it must be at least 0"),
        ({"max_tokens": 0, "n": 2}, "max_tokens is 0; it must be at least 1"),
        ({"max_tokens": 0, "beam_width": 2}, "max_tokens is 0; it must be at least 1"),
        ({"prompt_logprobs": 21}, "prompt_logprobs is 21; it must be between 0 and 20, or None"),
        (
            {"prompt_logprobs": 1, "beam_width": 2},
            "prompt_logprobs is 1; it must be None with beam search (beam_width above 1)",
        ),
        ({"min_tokens": -1}, "min_tokens is -1; it must be between 0 and max_tokens (256)"),
        (
            {"min_tokens": 5, "max_tokens": 4},
            "min_tokens is 5; it must be between 0 and max_tokens (4)",
        ),
        ({"temperature": -0.5}, "temperature is -0.5; it must be a finite number, 0 or more"),
        ({"temperature": nan}, "temperature is nan; it must be a finite number, 0 or more"),
        ({"temperature": inf}, "temperature is inf; it must be a finite number, 0 or more"),
        ({"n": 0}, "n is 0; it must be between 1 and 128"),
        ({"n": 129}, "n is 129; it must be between 1 and 128"),
        ({"beam_width": 0}, "beam_width is 0; it must be between 1 and 128"),
        ({"beam_width": 129}, "beam_width is 129; it must be between 1 and 128"),
        (
            {"beam_width": 2, "n": 2},
            "beam_width is 2; it must be 1 where n is above 1",
        ),
        ({"stop": "end"}, "stop is 'end'; it must be a tuple of strings, not one string"),
        ({"stop": ("a", "")}, "stop is ('a', ''); it must be strings that are not empty"),
        ({"top_k": -1}, "top_k is -1; it must be 0 (all tokens) or more"),
        ({"top_p": 0.0}, "top_p is 0.0; it must be above 0 and at most 1"),
        ({"top_p": nan}, "top_p is nan; it must be above 0 and at most 1"),
        ({"min_p": 1.5}, "min_p is 1.5; it must be between 0 and 1"),
        ({"seed": 2**63}, f"seed is {2**63}; it must be a 64-bit integer"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0; it must be a finite number above 0"),
        ({"presence_penalty": 2.5}, "presence_penalty is 2.5; it must be between -2 and 2"),
        ({"frequency_penalty": nan}, "frequency_penalty is nan; it must be between -2 and 2"),
        ({"logit_bias": {-1: 0.0}}, "logit_bias is -1; it must be a mapping from token ids, 0 or more"),
        ({"logit_bias": {7: 101.0}}, "logit_bias[7] is 101.0; it must be between -100 and 100"),
        ({"logprobs": 21}, "logprobs is 21; it must be between 0 and 20, or None"),
        (
            {"logprobs": 0, "beam_width": 2},
            "logprobs is 0; it must be None with beam search (beam_width above 1)",
        ),
        (
            {"top_p": 0.5, "beam_width": 2},
            "top_p is 0.5; it must be 1.0 with beam search (beam_width above 1)",
        ),
    ],
)
def test_a_refusal_names_field_value_and_what_is_allowed(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{re.escape(message)}$"):
        SamplingParams(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"max_tokens": 1, "min_tokens": 1},
        {"temperature": 0},
        {"n": 128},
        {"beam_width": 128},
        {"n": 1, "beam_width": 1},
        {"logprobs": 20, "top_p": 1.0, "min_p": 1.0, "seed": -(2**63), "logit_bias": {0: -100.0}},
    ],
)
def test_the_limits_themselves_are_allowed(values: dict[str, Any]) -> None:
    parameters = SamplingParams(**values)
    assert {name: getattr(parameters, name) for name in values} == values


def test_the_longest_a_request_can_become_is_prompt_and_output() -> None:
    assert Request("a", LengthPrompt(10), SamplingParams(max_tokens=5)).max_total_tokens == 15
