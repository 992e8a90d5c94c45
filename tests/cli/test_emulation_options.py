"""`weft serve --emulate`: that it says so, and flags that mean nothing together."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.server.live_server import NAME, live_server
from weft.cli.config_check import check_configuration
from weft.cli.emulation_options import emulated_name, load_emulated
from weft.cli.serve import command
from weft.contracts.errors import ConfigurationError
from weft.llm.async_llm import AsyncLLM
from weft.model_specs.builtin import builtin_model

EMULATED = ["llama-3.1-8b", "--emulate", "h100"]


@pytest.mark.parametrize("replicas", ["1", "2"])
def test_a_dry_run_tells_what_would_be_served(replicas: str) -> None:
    told = CliRunner().invoke(command, [*EMULATED, "--replicas", replicas, "--dry-run"])
    assert told.exit_code == 0
    assert "compute    none: as fast as H100 SXM" in told.output


def test_clients_are_told_that_nothing_computes() -> None:
    arguments = {"emulate": "h100", "emulate_output_tokens": 5.0}

    def load() -> AsyncLLM:
        llm = load_emulated("llama-3.1-8b", arguments, {}, None)
        assert isinstance(llm, AsyncLLM)
        return llm

    with live_server(Path(), load=load) as up:
        assert up.ask("/v1/models").json["data"][0]["emulates"] == "H100 SXM"
        answer = up.ask("/v1/completions", {"model": NAME, "prompt": "a", "max_tokens": 40}).json
        assert answer["system_fingerprint"] == "emulated-h100-sxm"
        assert answer["choices"][0]["finish_reason"] == "stop"
        refused = up.ask("/v1/completions", {"model": NAME, "prompt": "a", "logprobs": 1})
        assert (refused.status, refused.error["param"]) == (400, "logprobs")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            [*EMULATED, "--replicas", "2", "--threads", "1"],
            "num_threads is 1, and where hardware is emulated",
        ),
        ([*EMULATED, "--threads", "1"], "num_threads is 1, and where hardware is emulated nothing computes"),
        (["weft-tiny", "--emulate-output-tokens", "9"], "emulate is not; add --emulate HARDWARE"),
        (["weft-tiny", "--emulate", "h100x"], "h100x"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], problem: str) -> None:
    told = CliRunner().invoke(command, [*arguments, "--dry-run"])
    assert isinstance(told.exception, ConfigurationError)
    assert problem in str(told.exception)


def test_a_configuration_is_checked_against_the_hardware(tmp_path: Path) -> None:
    path = tmp_path / "weft.yaml"
    path.write_text("serve:\n  model: llama-3.1-70b\n  emulate: h100\n")
    (finding,) = check_configuration(path)
    assert "memory" in finding.text
    path.write_text("serve:\n  model: llama-3.1-8b\n  emulate: h100\n")
    assert check_configuration(path) == []


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (None, "builtin"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        (str(builtin_model("weft-nano")), "weft-nano"),
        (str(builtin_model("weft-nano") / "config.json"), "weft-nano"),
    ],
)
def test_a_path_is_nobodys_business(model: Any, name: str) -> None:
    assert emulated_name(model) == name
