"""What ships, with a line and the settings of each."""

from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import cleandoc
from typing import NamedTuple

from weft.policies.knobs import Knob, knobs_of
from weft.policies.registry import POLICIES, load_policy


class Description(NamedTuple):
    """A policy that ships. `summary`: one line; `text`: all that its author says of it."""

    kind: str
    name: str
    summary: str
    text: str
    knobs: list[Knob]


def describe_policies(kind: str | None = None) -> Iterator[Description]:
    """Of one kind or of all, in the order of the registry."""
    for each, policies in POLICIES.items():
        if kind in (None, each):
            for name in policies:
                yield describe_policy(each, name)


def describe_policy(kind: str, name: str) -> Description:
    """One that ships."""
    factory = load_policy(kind, name)
    module = import_module(factory.__module__)
    summary = (module.__doc__ or "").splitlines()[0]
    return Description(kind, name, summary, _text(factory), knobs_of(factory))


def _text(factory: Callable[..., object]) -> str:
    """With what those say that it is derived from, which explain their knobs."""
    family = factory.__mro__ if isinstance(factory, type) else (factory,)
    ours = [each.__doc__ or "" for each in family if each.__module__.startswith("weft.policies.")]
    return "\n\n".join(cleandoc(text) for text in ours)
