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
        ({"max_tokens": 0}, "max_tokens is 0; it must be at least 1"),
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
    ],
)
def test_the_limits_themselves_are_allowed(values: dict[str, Any]) -> None:
    parameters = SamplingParams(**values)
    assert {name: getattr(parameters, name) for name in values} == values


def test_the_longest_a_request_can_become_is_prompt_and_output() -> None:
    assert Request("a", LengthPrompt(10), SamplingParams(max_tokens=5)).max_total_tokens == 15
