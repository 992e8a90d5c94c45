"""Outputs made by chance from what a constraint allows, and a judge of JSON that knows nothing of the grammar."""

import ctypes
from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

from weft.contracts.constraints import Constraint
from weft.text.constraints.grammar import Grammar, MaskWriter, Matcher, compile_grammar
from weft.text.constraints.vocabulary import ConstraintVocabulary

_WRITER = MaskWriter()


def allowed(matcher: Matcher) -> list[int]:
    """The tokens that may come next."""
    size = matcher.vocabulary.row_bytes
    buffer = ctypes.create_string_buffer(2 * size)
    _WRITER.write([(matcher, 1)], ctypes.addressof(buffer), 2)
    assert buffer.raw[:size] == bytes(size)
    mask = int.from_bytes(buffer.raw[size:], "little")
    if matcher.num_tokens == 0 and matcher.vocabulary.not_first is not None:
        mask &= ~int.from_bytes(matcher.vocabulary.not_first, "little")
    return [token for token in range(8 * size) if mask >> token & 1]


def walk(grammar: Grammar, seed: int, most: int = 400) -> tuple[list[int], bool]:
    """Tokens drawn evenly from what is allowed until the end; whether there was one."""
    random, matcher = Random(seed), grammar.matcher()
    tokens: list[int] = []
    ends = int.from_bytes(matcher.vocabulary.ends, "little")
    while len(tokens) < most and not matcher.is_over:
        token = random.choice(allowed(matcher))
        if ends >> token & 1:
            return tokens, True
        tokens.append(token)
        matcher.advance((token,))
        assert matcher.problem is None
    return tokens, matcher.is_over


def compiled(constraint: Constraint, vocabulary: ConstraintVocabulary) -> Grammar:
    return compile_grammar(constraint, vocabulary)


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Small schemas whose texts are short."""
    numbers = st.integers(-50, 50)
    leaves = st.one_of(
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.builds(lambda most: {"type": "string", "maxLength": most}, st.integers(0, 6)),
        st.builds(
            lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
            numbers,
            numbers.map(abs),
        ),
        st.builds(
            lambda of: {"enum": of},
            st.lists(st.sampled_from(["a", "é\n", 7, None, "日本"]), min_size=1, unique=True),
        ),
    )
    return st.recursive(leaves, lambda inner: st.one_of(_objects(inner), _lists(inner)), max_leaves=5)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    named = st.dictionaries(st.sampled_from(["name", "n", "ключ"]), inner, min_size=1)
    return st.builds(
        lambda parts, keep: {
            "type": "object",
            "properties": parts,
            "required": [name for name in parts if keep or name == "n"],
            "additionalProperties": False,
        },
        named,
        st.booleans(),
    )


def _lists(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda items, most: {"type": "array", "items": items, "maxItems": most}, inner, st.integers(0, 3)
    )


def satisfies(value: Any, schema: dict[str, Any]) -> bool:
    """Of the keywords that `schemas` uses."""
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema["type"]
    if kind == "object":
        return _satisfies_object(value, schema)
    if kind == "array":
        return isinstance(value, list) and len(value) <= schema["maxItems"] and _all(value, schema["items"])
    if kind == "integer":
        return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
    if kind == "string":
        return isinstance(value, str) and len(value) <= schema["maxLength"]
    return value is None if kind == "null" else isinstance(value, bool)


def _all(values: Sequence[Any], schema: dict[str, Any]) -> bool:
    return all(satisfies(value, schema) for value in values)


def _satisfies_object(value: Any, schema: dict[str, Any]) -> bool:
    parts = schema["properties"]
    if not isinstance(value, dict) or not set(schema["required"]) <= set(value) <= set(parts):
        return False
    return all(satisfies(each, parts[name]) for name, each in value.items())
