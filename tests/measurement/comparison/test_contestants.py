"""What is compared, read from text."""

import re

import pytest

from weft.contracts.errors import ConfigurationError
from weft.measurement.comparison.contestants import read_contestants


def test_a_name_says_its_kind_and_several_kinds_go_together() -> None:
    first, second, third = read_contestants(
        "fcfs, vtc:weights=a=2+b=1/slo_chunk/lfu, order=my.module:Mine:x=3"
    )
    assert first == ("fcfs", {"order": "fcfs"})
    assert second.choices == {"order": "vtc:weights=a=2+b=1", "budget": "slo_chunk", "retain": "lfu"}
    assert third.choices == {"order": "my.module:Mine:x=3"}


def test_orders_that_expect_lengths_may_know_them() -> None:
    assert read_contestants("srpt_oracle,fcfs")[0].choices == {"order": "srpt_oracle"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fcfs", "policies is 'fcfs'; name at least two, such as fcfs,srpt"),
        ("fcfs,fcfs", "policies names 'fcfs' twice; each is compared once"),
        ("fcfs/srpt,vtc", "policies has two of kind order in 'fcfs/srpt'; an engine has one of each kind"),
        ("fcfs,nosuch", "no policy is named 'nosuch'; known are fcfs, "),
    ],
)
def test_what_cannot_be_compared_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        read_contestants(text)
