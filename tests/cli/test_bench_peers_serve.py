"""`weft bench peers-serve` refuses what it cannot measure."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from weft.cli.bench_peers_serve import command
from weft.contracts.errors import ConfigurationError


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--ttft-ms", "100"), "only one is given; give both, or neither"),
        (("--engine", "sglang"), "engine 'sglang' is unknown; choose from weft-server, llama-server"),
    ],
)
def test_mistakes_are_named(flags: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    arguments = ["--dir", str(tmp_path / "new"), "--rate", "1", *flags]
    with pytest.raises(ConfigurationError, match=problem):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert not (tmp_path / "new").exists()
