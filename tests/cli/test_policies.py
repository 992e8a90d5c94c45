"""`weft policies`."""

import json

import pytest
from click.testing import CliRunner

from weft.cli.policies import command
from weft.contracts.errors import ConfigurationError
from weft.policies.registry import POLICIES


def told(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_every_policy_has_a_line_and_its_knobs_one_each() -> None:
    lines = told().splitlines()
    for names in POLICIES.values():
        for name in names:
            assert any(line.split()[0] == name for line in lines)
    assert any("ageing_s=60.0  (a number)" in line for line in lines)


def test_one_is_told_in_full() -> None:
    assert "OSDI 2024" in told("vtc")
    assert "fcfs" not in told("vtc")


def test_programs_get_the_same() -> None:
    found = json.loads(told("--kind", "retain", "--json"))
    assert [each["name"] for each in found] == list(POLICIES["retain"])
    (greedy,) = (each for each in found if each["name"] == "greedy_dual")
    assert greedy["knobs"] == [{"name": "crossover_blocks", "kind": "float", "default": 1900.0}]


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match="no policy is named 'vtcc'; known are fcfs, "):
        CliRunner().invoke(command, ["vtcc"], catch_exceptions=False)
