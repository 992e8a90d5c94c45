"""Puts known bugs back in, one at a time, and asks whether the property suite names the invariant they break.

    python tools/mutants.py [-j N] [--skip-examples] [--timeout S] [--json FILE] [NAME ...]

A mutant is a patch `tests/mutants/NAME.patch` (unified diff against the root, applied with -p1). The comment
lines above its diff describe the bug; the first is its title. A mutant is *caught* when the property suite
fails with an `InvariantViolation`; failing in any other way does not count, because a crash names no cause.
That the example tests still pass shows that the bug is one which examples alone would have let through.

The exit code is 0 only if every mutant is caught and at least five of them (or half of them where there are
fewer than ten) pass the example tests.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("weft", "tests", "tools", "docs", "README.md", "CONTRIBUTING.md", "pyproject.toml")
PYTEST = ("-m", "pytest", "-x", "-q", "-m", "not nightly", "--color=no", "-p", "no:cacheprovider")
PROPERTIES = (*PYTEST, "tests/properties")
EXAMPLES = (*PYTEST, "tests", "--ignore=tests/properties", "--ignore=tests/architecture")

VIOLATION = re.compile(r"InvariantViolation: \[([a-z_]+)\]")
REPORTED_VIOLATION = re.compile(r"^E\s.*InvariantViolation: \[([a-z_]+)\]", re.MULTILINE)
REPORTED_ERROR = re.compile(r"^E\s+(\S.*)$", re.MULTILINE)
LONGEST_REASON = 90


class Run(NamedTuple):
    """What a process did. `exit_code` is None where it ran out of time."""

    exit_code: int | None
    output: str
    seconds: float


class Verdict(NamedTuple):
    """Whether a mutant was caught: `invariant` names by what, None means missed for `reason`.

    `examples_pass` is None where the example tests were not run.
    """

    name: str
    title: str
    invariant: str | None
    reason: str
    seconds: float
    examples_pass: bool | None


class Settings(NamedTuple):
    """How to judge: `root` is the checkout, `timeout_s` the limit of one run of a suite in seconds."""

    root: Path
    timeout_s: float
    skip_examples: bool


def title_of(patch: str) -> str:
    """The first comment line above the diff, without its comment sign."""
    for line in patch.splitlines():
        if line.startswith(("--- ", "diff --git ")):
            break
        if line.strip("# \t"):
            return line.strip("# \t")
    return "(no description)"


def classify(run: Run) -> tuple[str | None, str]:
    """The invariant that a run of the property suite names, or None and why the mutant counts as missed."""
    if run.exit_code is None:
        return None, "timed out"
    if run.exit_code == 0:
        return None, "the property suite passes"
    violation = REPORTED_VIOLATION.search(run.output) or VIOLATION.search(run.output)
    if run.exit_code == 1 and violation:
        return violation[1], ""
    error = REPORTED_ERROR.search(run.output)
    detail = error[1] if error else "no error was printed"
    what = "fails without an invariant" if run.exit_code == 1 else f"pytest ends with code {run.exit_code}"
    return None, f"{what}: {detail}"[:LONGEST_REASON]


def enough(verdicts: Sequence[Verdict], examples_were_run: bool = True) -> bool:
    """Whether all are caught and, if that was asked, enough of them are invisible to the example tests."""
    caught = sum(verdict.invariant is not None for verdict in verdicts)
    invisible = sum(verdict.examples_pass is True for verdict in verdicts)
    needed = 5 if len(verdicts) >= 10 else (len(verdicts) + 1) // 2
    return 0 < len(verdicts) == caught and (invisible >= needed or not examples_were_run)


def render(verdicts: Sequence[Verdict]) -> str:
    """The table and the two sums."""
    rows = [("mutant", "caught by", "seconds", "example tests pass", "bug"), *map(_row, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, row[:4], widths), row[4]]) for row in rows]
    caught = sum(verdict.invariant is not None for verdict in verdicts)
    invisible = sum(verdict.examples_pass is True for verdict in verdicts)
    sums = [f"recall: {caught}/{len(verdicts)}", f"pass the example tests: {invisible}"]
    return "\n".join([*lines, "", *sums])


def _row(verdict: Verdict) -> tuple[str, str, str, str, str]:
    caught_by = verdict.invariant or f"missed ({verdict.reason})"
    examples = {True: "yes", False: "no", None: "-"}[verdict.examples_pass]
    return verdict.name, caught_by, f"{verdict.seconds:.1f}", examples, verdict.title


def judge(patch: Path, settings: Settings) -> Verdict:
    """Put one bug into a copy of the checkout and run the suites there."""
    title = title_of(patch.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder:
        tree = copy_tree(settings.root, Path(folder).resolve())
        if not apply_patch(patch, tree):
            return Verdict(patch.stem, title, None, "does not apply", 0.0, None)
        run = _run_suite(PROPERTIES, tree, settings.timeout_s)
        invariant, reason = classify(run)
        passes = None if settings.skip_examples else _examples_pass(tree, settings.timeout_s)
        return Verdict(patch.stem, title, invariant, reason, run.seconds, passes)


def judge_unchanged(settings: Settings) -> str:
    """Why the suite fails without any bug, which would make verdicts worthless; empty where it passes."""
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder:
        tree = copy_tree(settings.root, Path(folder).resolve())
        run = _run_suite(PROPERTIES, tree, settings.timeout_s)
    invariant, reason = classify(run)
    return "" if run.exit_code == 0 else invariant or reason


def copy_tree(root: Path, target: Path) -> Path:
    """Copy what the suites need, as far as it is there, into an empty folder."""
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.pyc")
    for name in filter(lambda each: (root / each).exists(), COPIED):
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=ignored)
        else:
            shutil.copy2(root / name, target / name)
    return target


def apply_patch(patch: Path, tree: Path) -> bool:
    """Whether the patch applied, exactly and in full."""
    if shutil.which("git"):
        command = ["git", "apply", "-p1", str(patch)]
    else:
        command = ["patch", "-p1", "--batch", "--forward", "--fuzz=0", "-i", str(patch)]
    return run_process(command, tree, timeout_s=60).exit_code == 0


def _run_suite(arguments: Sequence[str], tree: Path, timeout_s: float) -> Run:
    """Run pytest in the copy, after making sure that the copy is what gets imported."""
    probe = run_process([sys.executable, "-c", "import weft; print(weft.__file__)"], tree, timeout_s)
    if probe.exit_code == 0 and not Path(probe.output.strip()).resolve().is_relative_to(tree):
        raise RuntimeError(f"the copy in {tree} is shadowed by {probe.output.strip()}")
    return run_process([sys.executable, *arguments], tree, timeout_s)


def _examples_pass(tree: Path, timeout_s: float) -> bool:
    return _run_suite(EXAMPLES, tree, timeout_s).exit_code == 0


def run_process(command: Sequence[str], tree: Path, timeout_s: float) -> Run:
    """Run a command in the copy; past its time it is killed with all that it started."""
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=_environment(tree, os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout_s)
        return Run(process.returncode, output, time.monotonic() - start)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Run(None, output, time.monotonic() - start)


def _environment(tree: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment, less what steers pytest or git, with the copy first in line for imports."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(("PYTEST_", "GIT_"))}
    paths = [str(tree), *filter(None, [inherited.get("PYTHONPATH")])]
    # git applies nothing, silently, in a folder below some other repository unless it is kept from finding it
    own = {"PYTHONPATH": os.pathsep.join(paths), "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    return kept | own | {"PYTHONDONTWRITEBYTECODE": "1"}


def find_patches(root: Path, names: Sequence[str]) -> list[Path]:
    """The named mutants, or all of them; a name without a patch is an error that lists those there are."""
    known = {path.stem: path for path in sorted((root / "tests" / "mutants").glob("*.patch"))}
    unknown = [name for name in names if name not in known]
    if not known:
        raise SystemExit(f"no mutants in {root / 'tests' / 'mutants'}; a mutant is a NAME.patch there")
    if unknown:
        raise SystemExit(f"no mutant {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names or known)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Put known bugs back in; the property suite must find each.")
    parser.add_argument("names", nargs="*", help="mutants to run (default: all)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="mutants at a time")
    parser.add_argument("--skip-examples", action="store_true", help="do not run the example tests")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds that one suite may take")
    parser.add_argument("--json", type=Path, help="write the verdicts to this file too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Judge the mutants and print the table; returns the exit code."""
    options = _parse(arguments)
    patches = find_patches(root, options.names)
    settings = Settings(root, options.timeout, options.skip_examples)
    if problem := judge_unchanged(settings):
        print(f"the property suite fails without any mutant: {problem}", file=sys.stderr)
        return 1
    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(lambda patch: judge(patch, settings), patches))
    print(render(verdicts))
    if options.json:
        options.json.write_text(json.dumps([verdict._asdict() for verdict in verdicts], indent=2) + "\n")
    return 0 if enough(verdicts, not options.skip_examples) else 1


if __name__ == "__main__":
    sys.exit(main())
