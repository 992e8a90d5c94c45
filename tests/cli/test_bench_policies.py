"""`weft bench policies`."""

import json

from click.testing import CliRunner

from weft.cli.bench_policies import command
from weft.policies.registry import POLICIES


def told(*arguments: str) -> str:
    result = CliRunner().invoke(
        command, ["--sequences", "4", "--sequences", "9", *arguments], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.output


def test_every_policy_has_a_figure_for_each_size() -> None:
    found = json.loads(told("--json"))
    for kind, names in POLICIES.items():
        for name in names:
            sizes = {each["sequences"] for each in found if (each["kind"], each["name"]) == (kind, name)}
            assert sizes == {4, 9}
    assert all(each["microseconds"] > 0.0 for each in found)


def test_a_line_has_the_decision_and_its_costs() -> None:
    line = next(line for line in told().splitlines() if "srpt: who gives way" in line)
    assert line.count("µs") == 2
