"""What is compared: policies, alone or together."""

from collections.abc import Mapping
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.policies.choices import KINDS
from weft.policies.knobs import split_choice
from weft.policies.registry import ORACLE_SUFFIX, POLICIES


class Contestant(NamedTuple):
    """`choices`: policies by kind; of the kinds that are not in it, the default."""

    name: str
    choices: Mapping[str, str]


def read_contestants(text: str) -> list[Contestant]:
    """`fcfs,srpt,vtc/slo_chunk`: separated by commas; policies of several kinds in one are joined by a slash. One of
    your own says its kind: `order=module:Class`. Raises `ConfigurationError` for what cannot be compared."""
    found = [_contestant(part.strip()) for part in text.split(",")]
    names = [each.name for each in found]
    if len(found) < 2:
        raise ConfigurationError(f"policies is {text!r}; name at least two, such as fcfs,srpt")
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"policies names {name!r} twice; each is compared once")
    return found


def _contestant(text: str) -> Contestant:
    choices: dict[str, str] = {}
    for part in text.split("/"):
        kind, choice = _kind_and_choice(part)
        if kind in choices:
            raise ConfigurationError(
                f"policies has two of kind {kind} in {text!r}; an engine has one of each kind"
            )
        choices[kind] = choice
    return Contestant(text, choices)


def _kind_and_choice(text: str) -> tuple[str, str]:
    prefix, equals, rest = text.partition("=")
    if equals and prefix in KINDS:
        return prefix, rest
    name, _ = split_choice(text)
    for kind in KINDS:
        base = name.removesuffix(ORACLE_SUFFIX) if kind == "order" else name
        if base in POLICIES[kind]:
            return kind, text
    known = ", ".join(each for kind in KINDS for each in POLICIES[kind])
    raise ConfigurationError(
        f"no policy is named {name!r}; known are {known}; one of your own says its kind: order=module:Class"
    )
