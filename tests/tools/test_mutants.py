"""The runner that puts bugs back in: what counts as caught, and the whole way on a small repository."""

import json
import sys
from pathlib import Path

import pytest

from tools.mutants import Run, Verdict, classify, enough, find_patches, main, render, run_process, title_of

VIOLATION_REPORT = """\
    def test_pool():
>       raise InvariantViolation("blocks_conserved", "9 of 8")
E       weft.contracts.errors.InvariantViolation: [blocks_conserved] 9 of 8
E       weft.contracts.errors.InvariantViolation: [another_name] 9 of 8
"""
GROUP_REPORT = "  | weft.contracts.errors.InvariantViolation: [order_kept] 2 before 1\n"


def verdict(invariant: str | None = "blocks_conserved", examples_pass: bool | None = True) -> Verdict:
    return Verdict("leak", "a leak", invariant, "" if invariant else "timed out", 1.25, examples_pass)


@pytest.mark.parametrize(
    ("patch", "title"),
    [
        ("# Frees a block twice.\n# More.\n--- a/x\n+++ b/x\n", "Frees a block twice."),
        ("\n#\n#  Indented.\ndiff --git a/x b/x\n", "Indented."),
        ("No sign.\n--- a/x\n", "No sign."),
        ("--- a/x\n+++ b/x\n# too late\n", "(no description)"),
        ("diff --git a/x b/x\n# too late\n", "(no description)"),
    ],
)
def test_the_title_is_the_first_comment_above_the_diff(patch: str, title: str) -> None:
    assert title_of(patch) == title


@pytest.mark.parametrize(
    ("output", "invariant"), [(VIOLATION_REPORT, "blocks_conserved"), (GROUP_REPORT, "order_kept")]
)
def test_a_named_invariant_catches(output: str, invariant: str) -> None:
    assert classify(Run(1, output, 1.0)) == (invariant, "")


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Run(0, VIOLATION_REPORT, 1.0), "the property suite passes"),
        (Run(None, VIOLATION_REPORT, 1.0), "timed out"),
        (Run(1, "E   KeyError: 3\n", 1.0), "fails without an invariant: KeyError: 3"),
        (Run(1, "raise InvariantViolation('x')", 1.0), "fails without an invariant: no error was printed"),
        (Run(2, VIOLATION_REPORT.replace("E  ", ""), 1.0), "pytest ends with code 2: no error was printed"),
        (Run(2, "E   ImportError: no pool\n", 1.0), "pytest ends with code 2: ImportError: no pool"),
        (Run(5, "no tests ran", 1.0), "pytest ends with code 5: no error was printed"),
    ],
)
def test_anything_else_misses(run: Run, reason: str) -> None:
    assert classify(run) == (None, reason)


@pytest.mark.parametrize(
    ("caught", "missed", "invisible", "verdict_on_all"),
    [
        (0, 0, 0, False),
        (3, 0, 2, True),
        (3, 0, 1, False),
        (3, 1, 3, False),
        (9, 0, 4, False),
        (9, 0, 5, True),
        (12, 0, 5, True),
        (12, 0, 4, False),
    ],
)
def test_enough_means_full_recall_and_bugs_that_examples_miss(
    caught: int, missed: int, invisible: int, verdict_on_all: bool
) -> None:
    verdicts = [verdict(examples_pass=index < invisible) for index in range(caught)]
    verdicts += [verdict(invariant=None) for _ in range(missed)]
    assert enough(verdicts) is verdict_on_all


def test_skipped_examples_ask_for_recall_only() -> None:
    assert enough([verdict(examples_pass=None)], examples_were_run=False)
    assert not enough([verdict(invariant=None, examples_pass=None)], examples_were_run=False)


def test_the_table_names_invariants_reasons_and_sums() -> None:
    text = render([verdict(), verdict(invariant=None, examples_pass=False), verdict(examples_pass=None)])
    header, first, second, third, _, recall, invisible = text.splitlines()
    assert header.split("  ")[0] == "mutant"
    assert first.split() == ["leak", "blocks_conserved", "1.2", "yes", "a", "leak"]
    assert "missed (timed out)  1.2      no " in second
    assert third.split()[3] == "-"
    assert (recall, invisible) == ("recall: 2/3", "pass the example tests: 1")


FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\nmarkers = ["nightly: slow"]\n',
    "weft/__init__.py": "LIMIT = 8\n\n\nclass InvariantViolation(AssertionError):\n    pass\n",
    "tests/properties/test_limit.py": (
        "import weft\n\n\ndef test_limit():\n    if weft.LIMIT > 8:\n"
        "        raise weft.InvariantViolation(f'[limit_kept] {weft.LIMIT}')\n"
    ),
    "tests/test_example.py": "import weft\n\n\ndef test_example():\n    assert weft.LIMIT != 10\n",
    "tools/tool.py": "",
}


def limit_patch(new: str, old: str = "LIMIT = 8") -> str:
    header = f"# {new} instead\n--- a/weft/__init__.py\n+++ b/weft/__init__.py\n"
    return f"{header}@@ -1,3 +1,3 @@\n-{old}\n+{new}\n \n \n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "tests/mutants").mkdir()
    return tmp_path


def add_mutant(repository: Path, name: str, patch: str) -> None:
    (repository / "tests/mutants" / f"{name}.patch").write_text(patch)


def judged(repository: Path, *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    """Run the tool there; its exit code and the verdicts that it stored, by name."""
    target = repository / "verdicts.json"
    exit_code = main([*arguments, "--json", str(target)], repository)
    return exit_code, {entry["name"]: entry for entry in json.loads(target.read_text())}


def test_mutants_are_judged_in_a_copy(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_mutant(repository, "higher", limit_patch("LIMIT = 9"))
    add_mutant(repository, "visible", limit_patch("LIMIT = 10"))
    exit_code, verdicts = judged(repository)
    assert exit_code == 0
    assert [entry["invariant"] for entry in verdicts.values()] == ["limit_kept", "limit_kept"]
    assert [entry["examples_pass"] for entry in verdicts.values()] == [True, False]
    assert verdicts["higher"]["title"] == "LIMIT = 9 instead"
    assert capsys.readouterr().out.endswith("recall: 2/2\npass the example tests: 1\n")
    assert (repository / "weft/__init__.py").read_text() == FILES["weft/__init__.py"]


@pytest.mark.nightly
def test_what_is_not_caught_is_missed_with_a_reason(repository: Path) -> None:
    add_mutant(repository, "stale", limit_patch("LIMIT = 9", old="LIMIT = 7"))
    add_mutant(repository, "broken", limit_patch("import no_such_module"))
    add_mutant(repository, "harmless", limit_patch("LIMIT = 5"))
    exit_code, verdicts = judged(repository, "--skip-examples", "-j", "1")
    assert exit_code == 1
    assert verdicts["stale"]["reason"] == "does not apply"
    assert str(verdicts["broken"]["reason"]).endswith("No module named 'no_such_module'")
    assert verdicts["harmless"]["reason"] == "the property suite passes"
    assert [entry["invariant"] for entry in verdicts.values()] == [None, None, None]


def test_a_suite_that_fails_without_a_bug_judges_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_mutant(repository, "higher", limit_patch("LIMIT = 9"))
    (repository / "weft/__init__.py").write_text(FILES["weft/__init__.py"].replace("8", "11"))
    assert main([], repository) == 1
    assert "fails without any mutant: limit_kept" in capsys.readouterr().err


def test_a_process_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    code = "import subprocess; print('started', flush=True); subprocess.run(['sleep', '50'])"
    run = run_process([sys.executable, "-c", code], tmp_path, timeout_s=2)
    assert run.exit_code is None
    assert 2 <= run.seconds < 40


def test_a_process_imports_the_copy_first(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    code = "import os, weft; print(weft.LIMIT, os.environ['PYTHONPATH'], 'PYTEST_ADDOPTS' in os.environ)"
    run = run_process([sys.executable, "-P", "-c", code], repository, timeout_s=60)
    assert run.output == f"8 {repository}:/elsewhere False\n"


def test_an_unknown_name_lists_the_known(repository: Path) -> None:
    with pytest.raises(SystemExit, match=r"no mutants in .*mutants; a mutant is a"):
        find_patches(repository, [])
    add_mutant(repository, "higher", "")
    assert [path.stem for path in find_patches(repository, ["higher", "higher"])] == ["higher"]
    with pytest.raises(SystemExit, match="no mutant hihger; there are: higher"):
        find_patches(repository, ["hihger"])
