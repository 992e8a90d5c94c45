"""What checks input holds under `python -O`, and every field has a bound."""

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from tests.architecture.source import SourceFile, source_files
from tests.server.in_process import description

ROOMS_THAT_READ_INPUT = (
    "weft/server",
    "weft/llm",
    "weft/text",
    "weft/contracts",
    "weft/weights",
    "weft/model_specs",
)
CARRIES_TEXT = {
    *("prompt", "input", "system", "content", "text", "output", "arguments", "thinking", "instructions"),
}
"""Fields without a bound of their own, for that of the body (8 MiB) and of the context is theirs."""
OPEN_OBJECTS = {"messages", "parameters", "schema", "input_schema", "json", "guided_json", "input"}
"""Objects of the client's, which have bounds where they are read: depth, size, number of properties."""

BOUNDS = {
    "string": {"maxLength", "pattern", "const", "enum"},
    "array": {"maxItems"},
    "object": {"properties", "maxProperties"},
}


def narrows(test: ast.expr) -> bool:
    """Whether an assertion only tells the type checker what the code around it makes sure of."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return narrows(test.operand)
    if isinstance(test, ast.BoolOp):
        return all(map(narrows, test.values))
    if isinstance(test, ast.Compare):
        return isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None
    return isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "isinstance"


@pytest.mark.parametrize("file", source_files(*ROOMS_THAT_READ_INPUT), ids=lambda file: file.path)
def test_assert_checks_no_input(file: SourceFile) -> None:
    asserts = [node for node in ast.walk(ast.parse(file.text)) if isinstance(node, ast.Assert)]
    assert [f"{file.path}:{node.lineno}" for node in asserts if not narrows(node.test)] == []


def test_an_assert_that_checks_input_would_be_found() -> None:
    (node,) = ast.parse("assert len(prompt) < 9").body
    assert isinstance(node, ast.Assert)
    assert not narrows(node.test)


def is_bounded(name: str, schema: dict[str, Any]) -> bool:
    """Whether a schema says how long, large or many, itself or by way of the body."""
    kind, last = schema.get("type", ""), name.rstrip(".*").rpartition(".")[2]
    if kind in ("integer", "number"):
        return bool(
            {"maximum", "exclusiveMaximum"} & set(schema) and {"minimum", "exclusiveMinimum"} & set(schema)
        )
    free = OPEN_OBJECTS if kind == "object" else CARRIES_TEXT
    return kind not in BOUNDS or last in free or bool(BOUNDS[kind] & set(schema))


def unbounded(name: str, schema: dict[str, Any]) -> Iterator[str]:
    """Where a field can be as long or as large as one likes."""
    if not is_bounded(name, schema):
        yield name
    for field, inner in schema.get("properties", {}).items():
        yield from unbounded(f"{name}.{field}", inner)
    for inner in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        yield from unbounded(name, inner)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from unbounded(f"{name}.*", schema[word])


def test_every_number_list_and_text_has_a_bound() -> None:
    schemas = description()["components"]["schemas"]
    found = [
        name for body in schemas if not body.endswith("Error") for name in unbounded(body, schemas[body])
    ]
    assert found == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 0},
        {"type": "string"},
        {"type": "array", "items": {}},
        {"type": "object"},
    ],
)
def test_a_field_without_a_bound_would_be_found(schema: dict[str, Any]) -> None:
    assert list(unbounded("Body", {"properties": {"a": {"anyOf": [schema]}}})) == ["Body.a"]
