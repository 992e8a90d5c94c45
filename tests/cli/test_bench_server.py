"""`weft bench server` in a small form: real processes, real sockets, every event counted."""

import json

from click.testing import CliRunner

from weft.cli.main import command_line
from weft.cli.server_costs import Cost


def test_small_form() -> None:
    outcome = CliRunner().invoke(
        command_line, ["bench", "server", "--streams", "3", "--tokens", "20", "--json"]
    )
    assert outcome.exit_code == 0, outcome.output
    results = json.loads(outcome.stdout)["results"]
    assert list(results["parts"]) == ["engine", "text", "HTTP"]
    # One event opens the answer, one per token, one ends it, and [DONE].
    assert results["read"]["num_events"] == 3 * (1 + 20 + 1 + 1)
    assert results["read"]["num_bytes"] > 100 * results["read"]["num_events"]
    assert results["tokens_per_s"] > 0
    assert results["start"]["cpu_s"] > 0
    assert results["start"]["resident_bytes"] < 1 << 30


def test_a_part_costs_what_it_adds() -> None:
    assert Cost(5.0, 80.0).beyond(Cost(2.0, 90.0)) == Cost(3.0, 0.0)
