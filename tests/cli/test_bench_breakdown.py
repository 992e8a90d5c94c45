"""`weft bench latency --breakdown`: a server in another process, and every stage of its requests."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from weft.cli.main import command_line
from weft.measurement.latency_stages import Stage
from weft.model_specs.builtin import builtin_model

BREAKDOWN = (
    "bench",
    "latency",
    "--breakdown",
    "--prompt-tokens",
    "24",
    "--output-tokens",
    "4",
    "--threads",
    "1",
)


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(command_line, [*BREAKDOWN, *arguments])


@pytest.fixture(scope="module")
def report() -> Any:
    outcome = bench(str(builtin_model("weft-nano")), "--repeats", "2", "--json")
    assert outcome.exit_code == 0, outcome.output
    return json.loads(outcome.stdout)


def test_stages_add_up_to_the_whole(report: Any) -> None:
    for row in report["results"]:
        for part in row["parts"].values():
            stages = part["stages"].values()
            assert list(part["stages"]) == list(Stage)
            assert sum(each["ms"] for each in stages) == pytest.approx(part["whole_ms"])
            assert sum(each["share"] for each in stages) == pytest.approx(1.0)
            assert min(each["ms"] for each in stages) >= 0.0


def test_the_whole_is_what_the_client_waited(report: Any) -> None:
    streamed, whole = report["results"]
    assert (streamed["streamed"], whole["streamed"]) == (True, False)
    assert list(streamed["parts"]) == ["first", "after", "all"]
    assert list(whole["parts"]) == ["all"]
    for row in (streamed, whole):
        assert row["latency_ms"]["low"] <= row["parts"]["all"]["whole_ms"] <= row["latency_ms"]["high"]
        assert row["unwatched_latency_ms"]["low"] > 0.0
        assert row["calls"] > 7 * row["output_tokens"]  # in each step
    parts = streamed["parts"]
    assert parts["first"]["whole_ms"] + parts["after"]["whole_ms"] == pytest.approx(parts["all"]["whole_ms"])
    assert streamed["ttft_ms"]["low"] <= parts["first"]["whole_ms"] <= streamed["ttft_ms"]["high"]


def test_each_stage_was_seen_where_it_belongs(report: Any) -> None:
    streamed, whole = report["results"]
    for row in (streamed, whole):
        stages = row["parts"]["all"]["stages"]
        missed = [name for name, figures in stages.items() if not figures["ms"] and not figures["beside_ms"]]
        assert set(missed) <= {Stage.DELIVER}  # the client may have read before the server's `send` returns
    first, after = streamed["parts"]["first"]["stages"], streamed["parts"]["after"]["stages"]
    assert first[Stage.DECODE]["ms"] == after[Stage.PREFILL]["ms"] == after[Stage.TOKENISE]["ms"] == 0.0
    assert first[Stage.PREFILL]["ms"] > 0.0
    assert after[Stage.DECODE]["ms"] > 0.0


def test_it_says_what_was_run(report: Any) -> None:
    assert report["benchmark"] == "latency breakdown"
    assert report["serving"]["threads"] == 1
    assert report["serving"]["options"]["max_model_len"] == 28
    assert report["settings"]["repeats"] == 2


def test_a_table_for_people() -> None:
    outcome = bench(str(builtin_model("weft-nano")), "--repeats", "1")
    assert outcome.exit_code == 0, outcome.output
    assert "prompt 24, output 4, streamed" in outcome.output
    assert "prompt 24, output 4, in one piece" in outcome.output
    assert outcome.output.count("more than with it off") == 2
    for stage in ("tokenise", "prefill", "rest", "whole"):
        assert outcome.output.count(f"\n{' ' * (9 - len(stage))}{stage}  ") == 2


@pytest.mark.parametrize(
    "options", [("--batch", "1"), ("--prefill-tokens", "8"), ("--against", "transformers")]
)
def test_what_says_nothing_of_one_request_is_refused(options: tuple[str, str]) -> None:
    outcome = bench(*options)
    assert outcome.exit_code == 2
    assert f"{options[0]} does not go with --breakdown" in outcome.output
