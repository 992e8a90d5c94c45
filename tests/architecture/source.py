"""Reading Weft's own source: which files there are, and what names in them mean once imports are resolved."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.architecture.rooms import room_of

ROOT = Path(__file__).resolve().parents[2]


class SourceFile(NamedTuple):
    """One Python file. `module` is its dotted name; `path` is relative to the root and shown in messages."""

    path: str
    module: str
    text: str

    @property
    def room(self) -> str:
        return room_of(self.module)


class Finding(NamedTuple):
    """A broken rule: where, and a sentence that says what to do instead."""

    line: int
    message: str


def source_files(*folders: str) -> list[SourceFile]:
    """All Python files below these folders of the repository, in order of path."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [_read(path.relative_to(ROOT)) for path in paths]


def _read(path: Path) -> SourceFile:
    parts = path.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return SourceFile(path.as_posix(), module, (ROOT / path).read_text(encoding="utf-8"))


def report(file: SourceFile, findings: list[Finding]) -> list[str]:
    """Findings as lines that an editor can jump to."""
    return [f"{file.path}:{line}: {message}" for line, message in sorted(findings)]


def imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every dotted name that an import statement names, with its line; `from a import b` names "a.b".

    Importing by a constant string (`import_module("a.b")`) counts too.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _last_name(node.func) in ("import_module", "__import__"):
            constants = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            yield from ((node.lineno, value) for value in constants if isinstance(value, str))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def used_names(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Every name and attribute chain that is read, with its meaning after imports.

    With `import time as t`, the expression `t.monotonic` yields "time.monotonic". A bare name that no import
    binds stands for itself, so a builtin yields its own name; attributes of such a name mean nothing here (a
    parameter called `random` is not the module).
    """
    bound = _import_bindings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node, bound.get(node.id, node.id)
        elif isinstance(node, ast.Attribute):
            name = _dotted_name(node, bound)
            if name is not None:
                yield node, name


def _dotted_name(node: ast.expr, bound: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return bound.get(node.id)
    if isinstance(node, ast.Attribute):
        stem = _dotted_name(node.value, bound)
        return None if stem is None else f"{stem}.{node.attr}"
    return None


def _import_bindings(tree: ast.AST) -> dict[str, str]:
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound.update(_binding(alias) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            bound.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return bound


def _binding(alias: ast.alias) -> tuple[str, str]:
    """`import a.b` binds "a" to itself; `import a.b as c` binds "c" to "a.b"."""
    top = alias.name.split(".")[0]
    return (alias.asname, alias.name) if alias.asname else (top, top)
