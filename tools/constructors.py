"""Constructors that `dataclass` makes as a program runs, written out, because mypyc compiles only what is written.

What is changed in a copy for that is never seen there: `frozen`, which makes every constructor go past a guard, is kept
by the type checker alone, which has read the original.
"""

import ast
from typing import TypeGuard

WRITTEN = "@dataclass(init=False, slots=True, unsafe_hash=True)"
IMPORTED = "from dataclasses import dataclass"


def with_constructors(source: str) -> str:
    """The source of a module in which each plain record or frozen dataclass has its constructor."""
    lines, found = source.split("\n"), False
    module = ast.parse(source)
    for node in reversed(module.body):
        if isinstance(node, ast.ClassDef) and _is_plain(node):
            _write_out(node, lines)
            found = True
    if found and IMPORTED not in source:
        lines.insert(_first_import(module) - 1, IMPORTED)
    return "\n".join(lines)


def _is_plain(node: ast.ClassDef) -> bool:
    """Whether all its fields are arguments of its constructor, and it has none of its own."""
    names = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
    values = [each.value for each in _fields(node) if each.value is not None]
    is_made = len(node.decorator_list) == 1 and _makes(node.decorator_list[0])
    return is_made and not node.bases and "__init__" not in names and not any(map(_is_field, values))


def _makes(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Name("record"):
            return True
        case ast.Call(ast.Name("dataclass"), [], keywords):
            given = [each.arg for each in keywords]
            return "slots" in given and all(each in ("frozen", "slots") for each in given)
    return False


def _is_field(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "field"


def _fields(node: ast.ClassDef) -> list[ast.AnnAssign]:
    return [each for each in node.body if _declares(each)]


def _declares(statement: ast.stmt) -> TypeGuard[ast.AnnAssign]:
    return isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation)


def _write_out(node: ast.ClassDef, lines: list[str]) -> None:
    arguments, assignments = ["self"], list[str]()
    fields = _fields(node)
    for each in reversed(fields):
        assert isinstance(each.target, ast.Name)
        name, annotation = each.target.id, ast.unparse(each.annotation)
        default = "" if each.value is None else f" = {ast.unparse(each.value)}"
        arguments.insert(1, f"{name}: {annotation}{default}")
        assignments.insert(0, f"        self.{name} = {name}")
        lines[each.lineno - 1 : each.end_lineno] = [f"    {name}: {annotation}"]
    at = fields[0].lineno - 1
    if any(isinstance(each, ast.FunctionDef) and each.name == "__post_init__" for each in node.body):
        assignments.append("        self.__post_init__()")
    lines[at:at] = [f"    def __init__({', '.join(arguments)}) -> None:", *assignments, ""]
    (decorator,) = node.decorator_list
    lines[decorator.lineno - 1 : decorator.end_lineno] = [WRITTEN]


def _first_import(module: ast.Module) -> int:
    return next(each.lineno for each in module.body if isinstance(each, ast.Import | ast.ImportFrom))
