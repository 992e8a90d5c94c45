"""Sizes of what is in `weft/`: code lines by room, and how long functions and files are.

    python tools/structure.py [ROOT]

A code line is one that is neither blank nor only a comment; docstrings count as code lines. A function counts
from its `def` to its end, its docstring left out.
"""

import argparse
import ast
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class FunctionSize(NamedTuple):
    """One function or method: its dotted name inside the file, where it starts, and its length in lines."""

    name: str
    line: int
    lines: int


class FileSize(NamedTuple):
    """One file. `room` is the folder directly below `weft/`, or "weft" for the files beside the folders."""

    path: str
    room: str
    lines: int
    code_lines: int
    functions: tuple[FunctionSize, ...]


def code_lines(text: str) -> int:
    """Lines that are neither blank nor only a comment."""
    stripped = (line.strip() for line in text.splitlines())
    return sum(1 for line in stripped if line and not line.startswith("#"))


def function_sizes(text: str) -> list[FunctionSize]:
    """All functions of a source text, nested ones included (they count in the outer one too)."""
    return list(_sizes_within(ast.parse(text), ""))


def _sizes_within(node: ast.AST, prefix: str) -> Iterator[FunctionSize]:
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{child.name}" if prefix else child.name
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield FunctionSize(name, child.lineno, _lines_of(child))
        yield from _sizes_within(child, name)


def _lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    docstring = _span(first) if has_docstring else 0
    return _span(function) - docstring


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def measure(root: Path) -> list[FileSize]:
    """Every Python file of the package below this repository root, in order of path."""
    return [_measure_file(path, root) for path in sorted((root / "weft").rglob("*.py"))]


def _measure_file(path: Path, root: Path) -> FileSize:
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(root)
    room = relative.parts[1] if len(relative.parts) > 2 else "weft"
    functions = tuple(function_sizes(text))
    return FileSize(relative.as_posix(), room, len(text.splitlines()), code_lines(text), functions)


def percentile(values: Sequence[int], percent: float) -> int:
    """The smallest value that at least `percent` of the (one or more) values do not exceed."""
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


def room_rows(files: Sequence[FileSize]) -> list[tuple[str, int, int]]:
    """(room, files, code lines), by name of room."""
    rooms = sorted({file.room for file in files})
    members = {room: [file for file in files if file.room == room] for room in rooms}
    return [(room, len(members[room]), sum(file.code_lines for file in members[room])) for room in rooms]


def render(files: Sequence[FileSize]) -> str:
    """The report as text."""
    rows = room_rows(files)
    total = ("all", len(files), sum(file.code_lines for file in files))
    lines = [f"{'room':<16}{'files':>8}{'code lines':>12}"]
    lines += [f"{room:<16}{count:>8}{code:>12}" for room, count, code in [*rows, total]]
    longest_file = max(files, key=lambda file: file.lines)
    last = f"longest file      {longest_file.lines} lines: {longest_file.path}"
    return "\n".join([*lines, "", *_function_lines(files), last])


def _function_lines(files: Sequence[FileSize]) -> list[str]:
    named = [(size, file.path) for file in files for size in file.functions]
    if not named:
        return ["functions         0"]
    lengths = [size.lines for size, _ in named]
    longest, path = max(named, key=lambda item: item[0].lines)
    return [
        f"functions         {len(lengths)}",
        f"median            {statistics.median(lengths):g} lines",
        f"90th percentile   {percentile(lengths, 90)} lines",
        f"longest function  {longest.lines} lines: {path}:{longest.line} {longest.name}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report of this repository, or of another checkout."""
    parser = argparse.ArgumentParser(description="Sizes of rooms, files and functions.")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="a checkout (default: this one)")
    files = measure(parser.parse_args(arguments).root)
    if not files:
        parser.error("no Python file below weft/ there")
    print(render(files))


if __name__ == "__main__":
    main()
