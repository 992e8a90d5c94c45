"""Puts known bugs back into cluster and engine, one at a time; the fault campaign must name the invariant each breaks.

    python tools/cluster_mutants.py [-j N] [--seeds N] [--timeout S] [--json FILE] [--bank FOLDER] [NAME ...]

A mutant is a patch `tests/mutants/cluster/NAME.patch`, written like those of `tools/mutants.py`, whose runner it is.
It is *caught* when a world of the campaign breaks an invariant; a campaign that fails in any other way, or that only
misses a situation, has not caught it. Seeds are played in rounds, both modes of each, until one fails.

The exit code is 0 only if every mutant is caught.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # as a script it finds its own folder only

from tools.mutants import apply_patch, copy_tree, run_process, title_of  # noqa: E402

BANK = Path("tests", "mutants", "cluster")
ROUND = 50
"""Seeds."""
CAMPAIGN = ("-m", "weft.cli.main", "campaign", "--no-shrink")


class Verdict(NamedTuple):
    """Whether the campaign caught a mutant: `invariant` names by what, in the world of `seed` and `mode`; None means
    missed for `reason`."""

    name: str
    title: str
    invariant: str | None
    seed: int | None
    mode: str | None
    reason: str
    seconds: float


class Settings(NamedTuple):
    """How to judge: at most so many seeds, and seconds in all."""

    root: Path
    num_seeds: int
    timeout_s: float


def judge(patch: Path, settings: Settings) -> Verdict:
    """Put one bug into a copy of the checkout and play the campaign there."""
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder:
        tree = copy_tree(settings.root, Path(folder).resolve())
        say = partial(Verdict, patch.stem, title_of(patch.read_text(encoding="utf-8")))
        if not apply_patch(patch, tree):
            return say(None, None, None, "does not apply", 0.0)
        return say(*play(tree, settings))


def play(tree: Path, settings: Settings) -> tuple[str | None, int | None, str | None, str, float]:
    """What the campaign finds in a tree: invariant, seed, mode, or why nothing; and the seconds that it took."""
    spent_s, told = 0.0, tree / "campaign.json"
    for first in range(0, settings.num_seeds, ROUND):
        seeds = min(ROUND, settings.num_seeds - first)
        command = [
            sys.executable,
            *CAMPAIGN,
            "--first",
            str(first),
            "--seeds",
            str(seeds),
            "--json",
            str(told),
        ]
        run = run_process(command, tree, settings.timeout_s - spent_s)
        spent_s += run.seconds
        if run.exit_code is None:
            return None, None, None, "timed out", spent_s
        if not told.exists():
            return (
                None,
                None,
                None,
                f"the campaign ends with code {run.exit_code}: {run.output[-200:]}",
                spent_s,
            )
        found: list[dict[str, Any]] = json.loads(told.read_text(encoding="utf-8"))["failures"]
        if found:
            return found[0]["violation"], found[0]["seed"], found[0]["mode"], "", spent_s
        told.unlink()
    return None, None, None, f"{settings.num_seeds} seeds pass", spent_s


def render(verdicts: Sequence[Verdict]) -> str:
    """The table and the recall."""
    rows = [("mutant", "caught by", "in", "seconds", "bug"), *map(_row, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, row[:4], widths), row[4]]) for row in rows]
    caught = sum(verdict.invariant is not None for verdict in verdicts)
    return "\n".join([*lines, "", f"recall of the campaign: {caught}/{len(verdicts)}"])


def _row(verdict: Verdict) -> tuple[str, str, str, str, str]:
    caught_by = verdict.invariant or f"missed ({verdict.reason})"
    world = "-" if verdict.seed is None else f"{verdict.mode} {verdict.seed}"
    return verdict.name, caught_by, world, f"{verdict.seconds:.1f}", verdict.title


def find_patches(bank: Path, names: Sequence[str]) -> list[Path]:
    """The named mutants, or all of them; a name without a patch is an error that lists those there are."""
    known = {path.stem: path for path in sorted(bank.glob("*.patch"))}
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        there = ", ".join(known) or "none"
        raise SystemExit(f"no mutant {', '.join(unknown) or 'at all'} in {bank}; there are: {there}")
    return [known[name] for name in dict.fromkeys(names or known)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Put known bugs back in; the fault campaign must find each.")
    parser.add_argument("names", nargs="*", help="mutants to run (default: all)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="mutants at a time")
    parser.add_argument("--seeds", type=int, default=600, help="seeds that a mutant may survive")
    parser.add_argument(
        "--bank", type=Path, default=BANK, help="folder of the patches (default: %(default)s)"
    )
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds that one mutant may take")
    parser.add_argument("--json", type=Path, help="write the verdicts to this file too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Judge the mutants and print the table; returns the exit code."""
    options = _parse(arguments)
    patches = find_patches(root / options.bank, options.names)
    settings = Settings(root, options.seeds, options.timeout)
    with tempfile.TemporaryDirectory(prefix="weft-mutant-") as folder:
        tree = copy_tree(root, Path(folder).resolve())
        invariant, seed, mode, reason, _ = play(tree, settings._replace(num_seeds=ROUND))
    if invariant is not None or not reason.endswith("pass"):
        print(f"without any mutant the campaign says: {invariant or reason} {mode} {seed}", file=sys.stderr)
        return 1
    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(lambda patch: judge(patch, settings), patches))
    print(render(verdicts))
    if options.json:
        options.json.write_text(json.dumps([verdict._asdict() for verdict in verdicts], indent=2) + "\n")
    return 0 if all(verdict.invariant is not None for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
