"""What a JSON schema may ask for; see `sources`."""

from collections.abc import Iterator
from decimal import Decimal
from math import prod
from typing import Any

from weft.contracts.errors import InvalidRequest

MOST_PROPERTIES = 1000
"""Of all objects together. With optional ones the time goes with the square of their number: 0.5 s for 1,000."""
MOST_NESTED = 600
"""Levels of objects and lists, those behind references included; beyond about 1,500 the library's stack ends."""
MOST_MULTIPLE = 10_000
"""`multipleOf` becomes a machine with so many states: 0.2 s for 10,000. Several in one place multiply."""

_OBJECTS = ("properties", "patternProperties")


def check_schema(schema: Any) -> None:
    """Raise `InvalidRequest` where a schema asks for too much. It is nested at most as deep as `sources` allows."""
    parts = list(_parts(schema))
    _check_properties(parts)
    _check_multiples(parts)
    _check_references(schema, parts)


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object within."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_properties(parts: list[dict[str, Any]]) -> None:
    named = [part[name] for part in parts for name in _OBJECTS if isinstance(part.get(name), dict)]
    count = sum(map(len, named))
    if count > MOST_PROPERTIES:
        raise InvalidRequest(
            f"the json_schema has {count} properties; at most {MOST_PROPERTIES} are enforced"
        )


def _check_multiples(parts: list[dict[str, Any]]) -> None:
    steps = [_digits(part["multipleOf"]) for part in parts if _is_number(part.get("multipleOf"))]
    if prod(set(steps)) > MOST_MULTIPLE or sum(steps) > 2 * MOST_MULTIPLE:
        raise InvalidRequest(
            f"the json_schema has multipleOf with values that multiply to more than {MOST_MULTIPLE}; "
            "leave it out, or give smaller ones"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _digits(value: float) -> int:
    """A number without its decimal point: 25 for 0.25."""
    number = Decimal(repr(value))
    if not number.is_finite():
        return MOST_MULTIPLE + 1
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    digits = number.scaleb(-exponent) if exponent < 0 else number
    return int(min(abs(digits), Decimal(MOST_MULTIPLE + 1)))


def _check_references(schema: Any, parts: list[dict[str, Any]]) -> None:
    names = [part[name] for part in parts for name in ("$ref", "$dynamicRef") if name in part]
    targets = {name for name in names if isinstance(name, str)}
    levels = _Levels(schema)
    nested = levels.of(schema) + sum(levels.of(_target(schema, name)) for name in targets)
    if nested > MOST_NESTED:
        raise InvalidRequest(
            f"the json_schema has {nested} levels, those behind $ref included; at most {MOST_NESTED} are enforced"
        )


def _target(schema: Any, name: str) -> Any:
    """What a reference refers to; the whole schema where that is not plain."""
    found = schema
    for step in name.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return schema
        found = found[key]
    return found if name.startswith("#") else schema


class _Levels:
    """How deep each part of a schema is, looked at once."""

    def __init__(self, schema: Any) -> None:
        self._known: dict[int, int] = {}
        self._look_at(schema)

    def of(self, part: Any) -> int:
        """Levels of objects and lists."""
        return self._known.get(id(part), 0)

    def _look_at(self, part: Any) -> int:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else None
        if inner is None:
            return 0
        levels = self._known[id(part)] = 1 + max(map(self._look_at, inner), default=0)
        return levels
