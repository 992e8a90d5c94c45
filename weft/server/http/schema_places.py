"""Where in a body something is wrong, as its author would say it."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

Models = list[type[BaseModel]]
MOST_SHOWN = 60
"""Characters of a key or a value that errors repeat."""


class Place(NamedTuple):
    """`name`: the way there, dotted; `top`, `last`: its first and last part; `known`: fields beside the last part."""

    name: str
    top: str
    last: str
    known: list[str]


def find_place(schema: type[BaseModel], location: Sequence[int | str]) -> Place:
    """The place of an error of pydantic's, whose location also holds tags of unions, which no body has."""
    models: Models = [schema]
    beside, shown = models, list[str]()
    for part in location:
        tagged = [model for model in models if _has_tag(model, part)]
        if tagged and len(models) > 1:
            models = tagged
        elif not str(part).startswith("["):  # "[key]", and tags of ours that no body has
            shown.append(_said(part))
            beside = models
            models = [inner for model in models for inner in _models_of(model, part)] or models
    known = list(dict.fromkeys(_alias(model, name) for model in beside for name in model.model_fields))
    return Place(".".join(shown), str(location[0]), str(location[-1]), known)


def _said(part: int | str) -> str:
    """On one line, and short: keys can be anything."""
    return repr(part).strip("'\"")[:MOST_SHOWN]


def _has_tag(model: type[BaseModel], part: int | str) -> bool:
    field = model.model_fields.get("type")
    return (
        field is not None and get_origin(field.annotation) is Literal and part in get_args(field.annotation)
    )


def _models_of(model: type[BaseModel], part: int | str) -> Models:
    names = [name for name in model.model_fields if _alias(model, name) == part]
    return [inner for name in names for inner in _mentioned(model.model_fields[name].annotation)]


def _alias(model: type[BaseModel], name: str) -> str:
    return model.model_fields[name].alias or name


def _mentioned(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _mentioned(inner)
