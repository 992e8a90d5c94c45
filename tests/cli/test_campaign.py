"""`weft campaign`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.measurement.campaign.test_checks import ALONE, CALM, say_nothing
from weft.cli.campaign import command
from weft.cluster.router import Router
from weft.contracts.errors import ConfigurationError
from weft.measurement.campaign.world_json import world_to_json


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    return int(result.return_value), result.output


def test_a_campaign_tells_what_was_played_what_struck_and_what_was_reached(tmp_path: Path) -> None:
    path = tmp_path / "campaign.json"
    code, output = run("--seeds", "3", "--first", "20", "--json", str(path))
    assert code == 0
    lines = output.splitlines()
    assert lines[0].startswith("6 worlds, ")
    told = json.loads(path.read_text())
    assert (told["worlds"], told["failures"], told["not_alike_twice"]) == (6, [], [])
    for name, (kind, hits) in told["conditions"].items():
        if kind == "sometimes" and name.startswith(("router:", "fabric:")):
            assert any(line.startswith(f"{name} ") and line.endswith(f" {hits:,}") for line in lines)
    for name, count in told["injected"].items():
        assert not count or any(line.startswith(f"{name} ") for line in lines)


def test_each_failing_seed_has_a_line_that_replays_it_and_one_is_shrunk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Router, "_rescue", say_nothing)
    code, output = run("--seeds", "12", "--mode", "safety", "--no-shrink")
    assert code == 1
    replays = [line for line in output.splitlines() if line.startswith("weft campaign --seed ")]
    arguments = replays[0].partition(":")[0].split()[2:]
    code, output = run(*arguments)
    assert code == 1
    assert output.splitlines()[0].startswith("1 worlds, ")
    (shrunk,) = [line for line in output.splitlines() if line.startswith("  shrunk: ")]
    world = tmp_path / "world.json"
    world.write_text(shrunk.partition(": ")[2])
    code, output = run("--world", str(world))
    assert code == 1
    assert replays[0].partition("[")[2].partition("]")[0] in output


def test_a_world_can_be_replayed_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text(world_to_json(CALM))
    code, output = run("--world", str(path))
    assert code == 0
    assert output.endswith(" s of virtual time; requests: 6 finished\nall is well\n")
    path.write_text(world_to_json(ALONE))
    monkeypatch.setattr(Router, "_rescue", say_nothing)
    code, output = run("--world", str(path))
    assert code == 1
    assert "[fails_with_reason]" in output


def test_what_is_no_world_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"world.json is no text; give the JSON of a world"):
        run("--world", str(path))


def test_twice_is_alike() -> None:
    code, output = run("--seeds", "1", "--twice")
    assert code == 0
    assert output.startswith("2 worlds, ")
