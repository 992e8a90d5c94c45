"""Recorded runs from directories: `run.json`, and beside it `requests`, `steps` or `points` as rows of a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from weft.measurement.validation.facts import FACTS_FILE, RunFacts, read_facts
from weft.measurement.validation.recorded_run import (
    RecordedPoint,
    RecordedRequest,
    RecordedRun,
    RecordedStep,
)
from weft.workloads.checks import MOST_TOKENS
from weft.workloads.errors import TraceError
from weft.workloads.reading.row import Row
from weft.workloads.reading.row_files import read_rows

SUFFIXES = (".jsonl", ".parquet", ".csv")
MOST_CLIENTS = 1 << 16


def find_runs(directory: Path) -> list[Path]:
    """The directories at or below this one that have a `run.json`, by name; raises `TraceError` where there is none."""
    if not directory.is_dir():
        raise TraceError(
            directory, "it is no directory; give one with a run.json, or one of such directories"
        )
    found = sorted(path.parent for path in directory.rglob(FACTS_FILE))
    if not found:
        raise TraceError(
            directory, f"there is no {FACTS_FILE} in it; docs/validation.md says what belongs there"
        )
    return found


def read_runs(directory: Path) -> Iterator[RecordedRun]:
    """All runs at or below a directory, each read when it is asked for."""
    for path in find_runs(directory):
        yield read_run(path, directory)


def read_run(path: Path, above: Path) -> RecordedRun:
    """A run, named by its path below `above`. Raises `TraceError` with file, line and advice for what cannot be."""
    facts, file = read_facts(path / FACTS_FILE), _records_file(path)
    name = path.name if path == above else path.relative_to(above).as_posix()
    return RecordedRun(name, path, facts, **{kind_of(file): _records(file, facts)})


def kind_of(file: Path) -> str:
    """requests, steps or points, as the file's name says."""
    return file.name.partition(".")[0]


def _records_file(path: Path) -> Path:
    names = [f"{kind}{suffix}" for kind in _READERS for suffix in SUFFIXES]
    found = [path / name for name in names if (path / name).is_file()]
    if len(found) != 1:
        listed = ", ".join(file.name for file in found)
        problem = (
            f"{listed} are in it; leave one"
            if found
            else f"no records are in it; add one of {', '.join(names)}"
        )
        raise TraceError(path, problem)
    return found[0]


def _records(file: Path, facts: RunFacts) -> tuple[Any, ...]:
    read = _READERS[kind_of(file)]
    found = tuple(read(row, facts) for row in read_rows(file))
    if not found:
        raise TraceError(file, "it has no rows; record something")
    return found


def _request(row: Row, facts: RunFacts) -> RecordedRequest:
    request = RecordedRequest(
        row.seconds("arrival_s"),
        row.tokens("input_tokens"),
        row.tokens("output_tokens"),
        _positive(row, "ttft_s"),
        _positive(row, "e2e_s"),
        _hashes(row, facts.block_tokens) if row.has("prefix_hashes") else None,
    )
    if request.e2e_s < request.ttft_s:
        raise row.problem(
            "e2e_s", f"at least ttft_s ({request.ttft_s:g}), because both count from the arrival"
        )
    return request


def _hashes(row: Row, block_tokens: int) -> tuple[int, ...]:
    hashes, wanted = row.whole_numbers("prefix_hashes"), -(-row.tokens("input_tokens") // block_tokens)
    if len(hashes) != wanted:
        raise row.problem(
            "prefix_hashes", f"{wanted} hashes, one for each {block_tokens} tokens of the prompt"
        )
    return hashes


def _step(row: Row, _facts: RunFacts) -> RecordedStep:
    step = RecordedStep(
        row.seconds("start_s"),
        _positive(row, "duration_s"),
        row.tokens("prefill_tokens", least=0),
        row.tokens("prefill_sequences", least=0),
        row.tokens("decode_sequences", least=0),
        row.tokens("context_tokens", least=0),
    )
    if not step.prefill_sequences <= step.prefill_tokens <= MOST_TOKENS * step.prefill_sequences:
        raise row.problem("prefill_sequences", f"from 1 to prefill_tokens ({step.prefill_tokens}), or both 0")
    tokens = step.prefill_tokens + step.decode_sequences
    if not tokens:
        raise row.problem("decode_sequences", "at least 1 where nothing is prefilled; leave empty steps out")
    if step.context_tokens < tokens:
        raise row.problem("context_tokens", f"at least the tokens of the step ({tokens})")
    return step


def _point(row: Row, _facts: RunFacts) -> RecordedPoint:
    point = RecordedPoint(
        row.tokens("input_tokens"),
        row.tokens("output_tokens", least=2),
        row.whole("concurrency"),
        _positive(row, "ttft_s"),
        _positive(row, "tpot_s"),
    )
    if not 1 <= point.concurrency <= MOST_CLIENTS:
        raise row.problem("concurrency", f"a whole number from 1 to {MOST_CLIENTS}")
    return point


def _positive(row: Row, column: str) -> float:
    value = row.seconds(column)
    if not value:
        raise row.problem(column, "above 0")
    return value


_READERS: dict[str, Callable[[Row, RunFacts], Any]] = {"requests": _request, "steps": _step, "points": _point}
