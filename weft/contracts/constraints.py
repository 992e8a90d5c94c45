"""What an output must look like."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from weft.contracts.errors import InvalidRequest

ConstraintKind = Literal["json_schema", "regex", "lark"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A language that the whole text of an output must belong to.

    `kind` says how `source` is to be read: "json_schema", a JSON schema as JSON text ({"type": "object"} for any
    object); "regex", a regular expression that the whole text matches; "lark", a grammar in the dialect of Lark that
    llguidance reads, with `%json {…}` for a schema inside it. The output may end where the text is complete,
    and must end where nothing can follow.
    """

    kind: ConstraintKind
    source: str


def json_object() -> Constraint:
    """Any JSON object."""
    return json_schema({"type": "object"})


def json_schema(schema: Mapping[str, Any]) -> Constraint:
    """JSON that satisfies a schema."""
    return Constraint("json_schema", json.dumps(schema))


def regex(pattern: str) -> Constraint:
    """A text of which a regular expression matches the whole."""
    return Constraint("regex", pattern)


def choice(texts: Sequence[str]) -> Constraint:
    """One of these texts. Raises `InvalidRequest` where there is none."""
    if not texts:
        raise InvalidRequest("choice is empty; give at least one text")
    return Constraint("lark", f"start: {' | '.join(map(json.dumps, texts))}")


def constraint_from(
    *,
    json: Mapping[str, Any] | str | None = None,
    regex: str | None = None,
    choice: Sequence[str] | None = None,
    grammar: str | None = None,
    json_object: bool | None = None,
) -> Constraint | None:
    """The constraint that the fields of vLLM's `structured_outputs` ask for; None where they ask for none.

    `json`: a schema, as an object or as text. `grammar`: in llguidance's dialect of Lark. Raises `InvalidRequest`
    where more than one is given.
    """
    asked = {
        "json": None if json is None else _schema(json),
        "regex": None if regex is None else Constraint("regex", regex),
        "choice": None if choice is None else _choice(choice),
        "grammar": None if grammar is None else Constraint("lark", grammar),
        "json_object": _json_object() if json_object else None,
    }
    given = {name: constraint for name, constraint in asked.items() if constraint is not None}
    if len(given) > 1:
        raise InvalidRequest(f"{' and '.join(given)} are given; an output can follow one of them: leave one")
    return next(iter(given.values()), None)


def _schema(schema: Mapping[str, Any] | str) -> Constraint:
    return Constraint("json_schema", schema) if isinstance(schema, str) else json_schema(schema)


# `constraint_from` has arguments of these names, as the fields of the protocol are called.
_choice, _json_object = choice, json_object
