"""`weft bench cluster` in a small form: real processes, one of which is killed, and one stopped."""

import json

from click.testing import CliRunner

from weft.cli.main import command_line

SMALL = ("bench", "cluster", "--streams", "4", "--tokens", "20", "--turns", "1")
WAYS = ("engine", "in process", "processes")


def test_small_form() -> None:
    ways = [argument for way in WAYS for argument in ("--way", way)]
    outcome = CliRunner().invoke(command_line, [*SMALL, *ways, "--json"])
    assert outcome.exit_code == 0, outcome.output
    report = json.loads(outcome.stdout)
    assert tuple(report["costs"]) == WAYS
    elsewhere = [turns[0]["replica_token_us"] is not None for turns in report["costs"].values()]
    assert elsewhere == [False, False, True]
    assert [stall["replica"] for stall in report["stalls"]] == ["killed (SIGKILL)", "stopped (SIGSTOP)"]
    for stall in report["stalls"]:
        (turn,) = stall["turns"]
        assert turn["num_streams"] == 2
        assert turn["most_ms"] >= turn["median_ms"] > 0.0


def test_as_a_table() -> None:
    outcome = CliRunner().invoke(command_line, [*SMALL, "--way", "engine", "--way", "in process"])
    assert outcome.exit_code == 0, outcome.output
    assert "in process" in outcome.stdout
    assert "pause" not in outcome.stdout  # nobody can be killed there
