"""Rows of a file in any of the formats that can be read; never more than one row (or batch) in memory."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from weft.workloads.errors import TraceError, shown
from weft.workloads.reading.json_array import array_items
from weft.workloads.reading.opening import opened_text, optional_module, suffix
from weft.workloads.reading.row import Row

MOST_LINE_CHARACTERS = 2**26
_PARQUET_BATCH_ROWS = 4096


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file in order; its kind follows from its name. Raises `TraceError` for what cannot be read."""
    kind = suffix(path)
    if kind not in _READERS:
        raise TraceError(
            path, f"{kind or 'no'} suffix is not one of {', '.join(_READERS)}; rename or convert it"
        )
    return _READERS[kind](path)


def _csv_rows(path: Path) -> Iterator[Row]:
    with opened_text(path) as file:
        reader = csv.reader(_bounded_lines(path, file), strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            for fields in reader:
                if fields:
                    yield _csv_row(path, f"line {reader.line_num}", header, fields)
        except csv.Error as error:
            raise TraceError(path, f"it is no CSV ({error}); mend it", f"line {reader.line_num}") from None


def _check_header(path: Path, header: list[str]) -> None:
    if len(dict.fromkeys(header)) != len(header):
        raise TraceError(path, f"the header {shown(header)} names a column twice; rename one", "line 1")


def _csv_row(path: Path, place: str, header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        problem = f"{len(fields)} values for the header's {len(header)} columns; complete or drop the row"
        raise TraceError(path, problem, place)
    return Row(path, place, dict(zip(header, fields, strict=True)))


def _json_lines(path: Path) -> Iterator[Row]:
    with opened_text(path) as file:
        for number, line in enumerate(_bounded_lines(path, file), start=1):
            if not line.isspace():
                yield _json_row(path, f"line {number}", line)


def _json_row(path: Path, place: str, text: str) -> Row:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(path, f"{shown(text)} is no JSON ({error}); mend or drop the line", place) from None
    return Row(path, place, _object(path, place, value))


def _object(path: Path, place: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TraceError(path, f"{shown(value)} is no JSON object; write one object per request", place)
    return value


def _json_array(path: Path) -> Iterator[Row]:
    with opened_text(path) as file:
        for number, value in enumerate(array_items(path, file), start=1):
            yield Row(path, f"item {number}", _object(path, f"item {number}", value))


def _parquet_rows(path: Path) -> Iterator[Row]:
    parquet, arrow = optional_module(path, "pyarrow.parquet"), optional_module(path, "pyarrow")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_PARQUET_BATCH_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(path, f"row {number}", values)
    except (OSError, arrow.ArrowException) as error:
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TraceError(path, f"it cannot be read as Parquet ({summary}); check the file") from None


def _bounded_lines(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(MOST_LINE_CHARACTERS):
        number += 1
        if len(line) == MOST_LINE_CHARACTERS:
            problem = f"it has {MOST_LINE_CHARACTERS} characters or more; this is no trace"
            raise TraceError(path, problem, f"line {number}")
        yield line


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_lines,
    ".json": _json_array,
    ".parquet": _parquet_rows,
}
