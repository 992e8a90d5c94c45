"""What the tests of workloads share."""

from itertools import islice
from pathlib import Path
from statistics import fmean, pstdev

import pytest

from weft.workloads.sessions import Session, Workload

TRACES = Path(__file__).resolve().parents[3] / "shared/data/traces"


def shared_trace(name: str) -> Path:
    """A trace beside the checkout; the test is skipped where there is none."""
    path = TRACES / name
    if not path.exists():
        pytest.skip(f"no {name} in {TRACES}")
    return path


def first(workload: Workload, number: int) -> list[Session]:
    return list(islice(workload.sessions(), number))


def times_s(workload: Workload, number: int) -> list[float]:
    return [session.arrival_s for session in first(workload, number)]


def lengths(sessions: list[Session]) -> list[tuple[int, int]]:
    return [(turn.prompt.num_tokens, turn.output_tokens) for one in sessions for turn in one.turns]


def cv(values: list[float]) -> float:
    return pstdev(values) / fmean(values)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
