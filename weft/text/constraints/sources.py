"""What a client may give as a constraint, checked before the library that compiles it sees it.

The library compiles nested parts by recursion, so what is too deep would end the process; and for a few keywords it
takes time without a limit of its own. The limits below keep every compilation under about a second.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.text.constraints.complaints import name_of
from weft.text.constraints.schema_limits import check_schema

MOST_CHARACTERS = {"json_schema": 1 << 17, "regex": 1 << 14, "lark": 1 << 17}
MOST_DEPTH = 100
"""Brackets within brackets."""
MOST_RULES = 800
"""Lines and opened brackets of a grammar, its schemas apart: as deep as rules that name rules can be."""

_WHITESPACE = r"\x20|\r?\n[\x20\t]{0,20}"
"""Between the parts of JSON: a space, or a line end and an indent; small models get lost in white space without end."""

# Without "no_forcing" a text that has no alternative is cut into tokens by the tokenizer, whatever the model would do.
_HEAD = '%llguidance {"no_forcing": true}\n'
_SKIPPED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\\.', re.DOTALL)
_EMBEDDED = re.compile(r"%json\s*(?=[{\[])")


def grammar_text(constraint: Constraint) -> str:
    """The constraint as a grammar. Raises `InvalidRequest` for what is beyond a limit or no JSON."""
    _check_text(constraint)
    if constraint.kind == "json_schema":
        return f"{_HEAD}start: %json {_schema_text(constraint.source)}"
    if constraint.kind == "regex":
        return f"{_HEAD}start: /{_in_slashes(constraint.source)}/"
    _check_rules(constraint.source)
    return _HEAD + constraint.source


def _check_text(constraint: Constraint) -> None:
    if constraint.kind not in MOST_CHARACTERS:
        kinds = ", ".join(MOST_CHARACTERS)
        raise InvalidRequest(f"a constraint is of kind {constraint.kind!r}; choose one of {kinds}")
    source, most, kind = constraint.source, MOST_CHARACTERS[constraint.kind], name_of(constraint)
    if len(source) > most:
        raise InvalidRequest(
            f"the {kind} has {len(source)} characters; at most {most} are compiled: shorten it"
        )
    try:
        source.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"the {kind} has half a surrogate pair in it; give Unicode text") from None
    if _depth(source) > MOST_DEPTH:
        raise InvalidRequest(f"the {kind} is nested more than {MOST_DEPTH} deep; make it flatter")


def _depth(source: str) -> int:
    """The most brackets that are open at once, strings apart."""
    depth = deepest = 0
    for character in _SKIPPED.sub("", source):
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth = max(0, depth - 1)
    return deepest


def _schema_text(source: str) -> str:
    try:
        schema: Any = json.loads(source)
    except ValueError as error:
        raise InvalidRequest(f"the json_schema is no JSON ({error}); give a schema as JSON text") from None
    if not isinstance(schema, dict | bool):
        raise InvalidRequest(f"the json_schema is {source[:40]!r}; a schema is an object, or true")
    check_schema(schema)
    if isinstance(schema, bool):
        return "{}" if schema else "false"
    own = schema.get("x-guidance", {"whitespace_pattern": _WHITESPACE})
    return json.dumps({**schema, "x-guidance": own})


def _in_slashes(pattern: str) -> str:
    """A grammar writes a pattern between slashes and on one line."""
    escaped = re.sub(r"\\.|/", lambda found: found[0] if found[0] != "/" else r"\/", pattern, flags=re.DOTALL)
    return escaped.replace("\r", r"\r").replace("\n", r"\n")


def _check_rules(source: str) -> None:
    rules = ""
    for part in _without_schemas(source):
        rules += part
    opened = sum(_SKIPPED.sub("", rules).count(bracket) for bracket in "([{")
    count = rules.count("\n") + opened
    if count > MOST_RULES:
        raise InvalidRequest(f"the grammar has {count} lines and brackets; at most {MOST_RULES} are compiled")


def _without_schemas(source: str) -> Iterator[str]:
    """What stands between the embedded schemas, which are checked on the way."""
    decoder, start = json.JSONDecoder(), 0
    for found in _EMBEDDED.finditer(source):
        if found.start() < start:
            continue  # within a string of a schema
        yield source[start : found.end()]
        try:
            schema, start = decoder.raw_decode(source, found.end())
        except ValueError as error:
            raise InvalidRequest(f"what follows %json in the grammar is no JSON: {error}") from None
        check_schema(schema)
    yield source[start:]
