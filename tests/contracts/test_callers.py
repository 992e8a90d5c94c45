"""Who asks, within bounds."""

from typing import Any

import pytest

from weft.contracts.callers import ANYONE, Caller
from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams, Slo


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tenant": ""}, "tenant has 0 characters; give 1 to 128"),
        ({"tenant": "t" * 129}, "tenant has 129 characters"),
        ({"session": ""}, "session has 0 characters"),
        ({"cache_salt": "s" * 129}, "cache_salt has 129 characters"),
        ({"priority": 101}, "priority is 101; it must be between -100 and 100"),
        ({"priority": -101}, "priority is -101"),
        ({"slo": Slo(ttft_s=0.0)}, "ttft_s is 0.0; it must be above 0 and at most 3600 seconds"),
        ({"slo": Slo(tpot_s=3601.0)}, "tpot_s is 3601.0"),
        ({"slo": Slo(tpot_s=float("nan"))}, "tpot_s is nan"),
    ],
)
def test_what_is_out_of_bounds_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Caller(**fields)


def test_what_a_caller_says_is_in_its_request() -> None:
    prompt, sampling = LengthPrompt(3), SamplingParams(max_tokens=2)
    slo = Slo(0.1, 0.02)
    asked = Caller("acme", 5, slo, "talk").request("r", prompt, sampling)
    assert asked == Request("r", prompt, sampling, "acme", 5, slo, "talk", cache_salt=None)
    assert ANYONE.request("r", prompt, sampling) == Request("r", prompt, sampling)


def test_a_salt_is_its_tenants_own() -> None:
    """However names and salts are cut, two tenants never share one."""
    salts = [
        Caller(tenant, cache_salt=salt).request("r", LengthPrompt(1), SamplingParams()).cache_salt
        for tenant, salt in (("a", "b"), ("b", "b"), ("a:", "b"), ("a", ":b"), ("1:a", "b"))
    ]
    assert len(dict.fromkeys(salts)) == len(salts)
