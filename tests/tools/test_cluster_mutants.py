"""The runner that puts bugs back in for the campaign, on a small repository whose campaign is a few lines."""

import json
from pathlib import Path

import pytest

from tests.tools.test_mutants import limit_patch
from tools.cluster_mutants import BANK, find_patches, main

CAMPAIGN = """\
import json, sys
import weft
first, path = int(sys.argv[sys.argv.index("--first") + 1]), sys.argv[sys.argv.index("--json") + 1]
failing = weft.LIMIT > 8 and first >= 50
failures = [{"violation": "limit_kept", "seed": first + 7, "mode": "safety"}] if failing else []
open(path, "w").write(json.dumps({"failures": failures}))
"""
FILES = {
    "weft/__init__.py": "LIMIT = 8\n\n\n",
    "weft/cli/__init__.py": "",
    "weft/cli/main.py": CAMPAIGN,
    "tests/test_nothing.py": "",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "tests/mutants/cluster").mkdir(parents=True)
    return tmp_path


def add_mutant(repository: Path, name: str, patch: str) -> None:
    (repository / "tests/mutants/cluster" / f"{name}.patch").write_text(patch)


def judged(repository: Path, *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    target = repository / "verdicts.json"
    exit_code = main([*arguments, "--json", str(target)], repository)
    return exit_code, {entry["name"]: entry for entry in json.loads(target.read_text())}


def test_a_mutant_is_caught_by_a_named_invariant(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_mutant(repository, "higher", limit_patch("LIMIT = 9"))
    exit_code, verdicts = judged(repository)
    assert exit_code == 0
    caught = verdicts["higher"]
    assert (caught["invariant"], caught["seed"], caught["mode"]) == ("limit_kept", 57, "safety")
    assert capsys.readouterr().out.endswith("recall of the campaign: 1/1\n")
    assert (repository / "weft/__init__.py").read_text() == FILES["weft/__init__.py"]


def test_anything_else_misses_with_a_reason(repository: Path) -> None:
    add_mutant(repository, "stale", limit_patch("LIMIT = 9", old="LIMIT = 7"))
    add_mutant(repository, "broken", limit_patch("import no_such_module"))
    add_mutant(repository, "harmless", limit_patch("LIMIT = 5"))
    add_mutant(repository, "late", limit_patch("LIMIT = 9"))
    exit_code, verdicts = judged(repository, "-j", "2", "--seeds", "50")
    assert exit_code == 1
    assert [entry["invariant"] for entry in verdicts.values()] == [None] * 4
    assert verdicts["stale"]["reason"] == "does not apply"
    assert "No module named 'no_such_module'" in str(verdicts["broken"]["reason"])
    assert verdicts["harmless"]["reason"] == verdicts["late"]["reason"] == "50 seeds pass"


def test_a_campaign_that_fails_without_a_bug_judges_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_mutant(repository, "higher", limit_patch("LIMIT = 9"))
    (repository / "weft/cli/main.py").write_text(
        CAMPAIGN.replace("first >= 50", "True").replace("> 8", "> 7")
    )
    assert main([], repository) == 1
    assert "without any mutant the campaign says: limit_kept safety 7" in capsys.readouterr().err


def test_an_unknown_name_lists_the_known(repository: Path) -> None:
    with pytest.raises(SystemExit, match=r"no mutant at all in .*; there are: none"):
        find_patches(repository / BANK, [])
    add_mutant(repository, "higher", "")
    with pytest.raises(SystemExit, match=r"no mutant hihger in .*; there are: higher"):
        find_patches(repository / BANK, ["hihger"])
