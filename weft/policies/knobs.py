"""Settings of a policy, written behind its name: `priority:ageing_s=10`."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, NamedTuple

from weft.contracts.errors import ConfigurationError


def number_per_name(text: str) -> dict[str, float]:
    """`alice=2+bob=1`, as of tenants."""
    pairs = [part.rpartition("=") for part in text.split("+")]
    return {name: float(value) for name, _, value in pairs}


def truth(text: str) -> bool:
    """`true` or `false`."""
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


READERS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "str": (str, "a text"),
    "bool": (truth, "true or false"),
    "dict[str, float] | None": (number_per_name, "name=number, more of them joined by +"),
}
"""By how a parameter is annotated: how its text is read, and what it must look like."""


class Knob(NamedTuple):
    """A setting. `default`: None where there is none."""

    name: str
    kind: str
    default: Any


def knobs_of(factory: Callable[..., object]) -> list[Knob]:
    """The parameters of a policy that can be given as text; others are for programs."""
    if factory is object.__init__ or not callable(factory):
        return []
    found = signature(factory).parameters.values()
    known = [(each, _kind(each.annotation)) for each in found]
    return [
        Knob(each.name, kind, None if each.default is each.empty else each.default)
        for each, kind in known
        if kind in READERS
    ]


def _kind(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) and annotation is not dict else str(annotation)


def split_choice(text: str) -> tuple[str, dict[str, str]]:
    """A name (or `module:Class`) and what follows it, setting by setting."""
    parts = text.split(":")
    names = [part for part in parts if "=" not in part]
    settings = [part.partition("=") for part in parts[len(names) :]]
    if any("=" in part for part in parts[: len(names)]):
        raise ConfigurationError(f"policy {text!r} names a setting before its end; write NAME:KNOB=VALUE")
    return ":".join(names), {name: value for name, _, value in settings}


def read_settings(
    policy: str, factory: Callable[..., object], settings: Mapping[str, str]
) -> dict[str, object]:
    """Values by name. Raises `ConfigurationError` for a setting that the policy does not have, or a wrong value."""
    knobs = {knob.name: knob for knob in knobs_of(factory)} if settings else {}
    values: dict[str, object] = {}
    for name, text in settings.items():
        if name not in knobs:
            known = f"its settings are {', '.join(knobs)}" if knobs else "it has no settings"
            raise ConfigurationError(f"policy {policy!r} has no setting {name!r}; {known}")
        read, wanted = READERS[knobs[name].kind]
        try:
            values[name] = read(text)
        except ValueError:
            raise ConfigurationError(f"policy {policy!r}: {name} is {text!r}; it must be {wanted}") from None
    return values
