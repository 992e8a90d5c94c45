"""Flags that choose policies, for every verb that runs an engine."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from weft.policies.choices import DEFAULT_ROUTER, KINDS, MAKERS, PolicyChoices
from weft.policies.registry import POLICIES, PolicyChoice, make_route_policy

QUESTIONS = {
    "order": "Who runs next",
    "budget": "How prompts and decoding share a step",
    "preempt": "Who gives way when the cache is full",
    "retain": "What stays cached",
}


class PolicyName(click.ParamType[str]):
    """A policy of one kind with its settings, as text. Raises `ConfigurationError` for what is none."""

    name = "policy"

    def __init__(self, make: Callable[[PolicyChoice], object]) -> None:
        self._make = make

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text, of which it is known that a policy can be made."""
        self._make(value)
        return value


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a flag for each kind; None where it is not given."""
    return with_policies(command, {kind: PolicyName(MAKERS[kind]) for kind in KINDS})


def with_policies(command: Callable[..., Any], types: Mapping[str, PolicyName]) -> Callable[..., Any]:
    """The same flags, whose policies may be others."""
    for kind in reversed(KINDS):
        default = getattr(PolicyChoices(), kind) or "latest_first, with --swap-memory latest_first_swap"
        known = ", ".join(POLICIES[kind])
        text = f"{QUESTIONS[kind]}: {known}, or module:Class; NAME:KNOB=VALUE. See weft policies.  [default: {default}]"
        command = click.option(f"--{kind}", type=types[kind], metavar="POLICY", help=text)(command)
    return command


def router_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flag that chooses which replica takes a request."""
    known = ", ".join(POLICIES["route"])
    text = f"Which replica takes a request: {known}, or module:Class; NAME:KNOB=VALUE. See weft policies."
    router = PolicyName(make_route_policy)
    flag = click.option(
        "--router", type=router, default=DEFAULT_ROUTER, show_default=True, metavar="POLICY", help=text
    )
    return flag(command)


def chosen_policies(arguments: dict[str, Any]) -> PolicyChoices:
    """Takes them from a command's arguments."""
    given = {kind: arguments.pop(kind) for kind in KINDS}
    return PolicyChoices(**{kind: choice for kind, choice in given.items() if choice is not None})
