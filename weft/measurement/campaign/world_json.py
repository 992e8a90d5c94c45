"""Worlds as JSON and back: compact, as what is at its default is left out.

A fault or an operation is an object whose first key "kind" names it.
"""

import json
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from weft.contracts.errors import ConfigurationError, WeftError
from weft.measurement.campaign.world import World


def world_to_json(world: World) -> str:
    """On one line."""
    return json.dumps(_encode(world), separators=(",", ":"))


def world_from_json(text: str) -> World:
    """The inverse of `world_to_json`. Raises `ConfigurationError`, which says what is wrong with it."""
    try:
        return _decode_fields(World, json.loads(text), "the world")  # type: ignore[no-any-return]
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"not the description of a world: {error}") from None


def _encode(value: object) -> object:
    if isinstance(value, tuple):
        return [_encode_kind(each) for each in value]
    if is_dataclass(value):
        return {
            field.name: _encode(getattr(value, field.name))
            for field in fields(value)
            if getattr(value, field.name) != _default(field)
        }
    return value


def _encode_kind(value: object) -> object:
    encoded = _encode(value)
    is_one_of_many = is_dataclass(value) and type(value).__module__.endswith(".faults")
    return (
        {"kind": type(value).__name__, **encoded} if is_one_of_many and isinstance(encoded, dict) else encoded
    )


def _default(field: Any) -> object:
    if field.default is not MISSING:
        return field.default
    return MISSING if field.default_factory is MISSING else field.default_factory()


def _decode_fields(kind: type[Any], value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r:.80}; expected an object")
    hints = get_type_hints(kind)
    if unknown := [name for name in value if name not in hints]:
        raise ValueError(f"{where} has unknown fields {', '.join(unknown)}")
    given = {name: _decode(hints[name], each, f"{name} of {where}") for name, each in value.items()}
    try:
        return kind(**given)
    except TypeError:
        missing = [
            field.name for field in fields(kind) if _default(field) is MISSING and field.name not in given
        ]
        raise ValueError(f"{where} lacks {', '.join(missing)}") from None
    except WeftError as error:
        raise ValueError(f"{where}: {error}") from None


def _decode(hint: Any, value: object, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} is {value!r:.80}; expected a list")
        return tuple(
            _decode(arguments[0], each, f"entry {index} of {where}") for index, each in enumerate(value)
        )
    if origin in (Union, UnionType):
        return _decode_one_of(arguments, value, where)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{where} is {value!r:.80}; choose from {', '.join(map(str, arguments))}")
        return value
    if is_dataclass(hint) and isinstance(hint, type):
        return _decode_fields(hint, value, where)
    return _checked(hint, value, where)


def _decode_one_of(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    if NoneType in kinds:
        (kind,) = [each for each in kinds if each is not NoneType]
        return None if value is None else _decode(kind, value, where)
    named = {kind.__name__: kind for kind in kinds}
    if not isinstance(value, dict) or value.get("kind") not in named:
        raise ValueError(f"{where} is {value!r:.80}; its kind must be one of {', '.join(named)}")
    rest = {name: each for name, each in value.items() if name != "kind"}
    return _decode_fields(named[value["kind"]], rest, where)


def _checked(hint: type, value: object, where: str) -> object:
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where} is {value!r:.80}; expected {hint.__name__}")
    return value
