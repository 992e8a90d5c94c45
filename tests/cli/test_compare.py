"""`weft compare`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from weft.cli.compare import command
from weft.contracts.errors import ConfigurationError, WeftError

SMALL = (
    "--model",
    "facebook/opt-125m",
    "--hardware",
    "l4",
    "--rate",
    "40",
    "--requests",
    "40",
    "--seeds",
    "2",
)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, [*SMALL, *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_the_sentences_and_the_files(tmp_path: Path) -> None:
    page, figures = tmp_path / "page.html", tmp_path / "all.json"
    told = run(
        *("--policies", "fcfs,srpt_oracle/slo_chunk", "--max-num-seqs", "2", "--slo-ttft-ms", "80"),
        *("--slo-tpot-ms", "9", "--html", str(page), "--json", str(figures)),
    )
    assert "objective  TTFT 80 ms and TPOT 9 ms" in told
    assert "quality of experience" in told
    assert "srpt_oracle/slo_chunk" in told
    found = json.loads(figures.read_text())
    assert found["max_num_seqs"] == 2
    assert len(found["plain"]["fcfs"]) == 2
    assert "<title>Policies for facebook/opt-125m under azure-conv</title>" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policies", "fcfs"], "name at least two"),
        (["--policies", "fcfs,srtp"], "no policy is named 'srtp'"),
        (["--policies", "fcfs,srpt", "--sensitivity", "lod"], "there is no axis 'lod'"),
        (["--policies", "fcfs,srpt", "--workload", "azure-cov"], "did you mean"),
    ],
)
def test_mistakes_are_told(arguments: list[str], message: str) -> None:
    with pytest.raises(WeftError, match=message):
        run(*arguments)


def test_a_server_cannot_know_lengths() -> None:
    from weft.policies.registry import make_order_policy

    with pytest.raises(
        ConfigurationError, match="'srpt_oracle' knows the lengths of outputs ahead, which only weft "
    ):
        make_order_policy("srpt_oracle")
