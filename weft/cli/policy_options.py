"""Flags that choose policies, for every verb that runs an engine."""

from collections.abc import Callable
from typing import Any

import click

from weft.policies.choices import KINDS, PolicyChoices
from weft.policies.registry import POLICIES, PolicyChoice

QUESTIONS = {
    "order": "Who runs next",
    "budget": "How prompts and decoding share a step",
    "preempt": "Who gives way when the cache is full",
    "retain": "What stays cached",
}


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a flag for each kind; None where it is not given."""
    for kind in reversed(KINDS):
        default = getattr(PolicyChoices(), kind) or "latest_first, with --swap-memory latest_first_swap"
        known = ", ".join(POLICIES[kind])
        text = f"{QUESTIONS[kind]}: {known}, or module:Class; NAME:KNOB=VALUE. See weft policies.  [default: {default}]"
        command = click.option(f"--{kind}", default=None, metavar="POLICY", help=text)(command)
    return command


def router_option(default: PolicyChoice) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The flag that chooses which replica takes a request."""
    known = ", ".join(POLICIES["route"])
    text = f"Which replica takes a request: {known}, or module:Class; NAME:KNOB=VALUE. See weft policies."
    return click.option("--router", default=default, show_default=True, metavar="POLICY", help=text)


def chosen_policies(arguments: dict[str, Any]) -> PolicyChoices:
    """Takes them from a command's arguments. Raises `ConfigurationError` for what is no policy of its kind."""
    given = {kind: arguments.pop(kind) for kind in KINDS}
    choices = PolicyChoices(**{kind: choice for kind, choice in given.items() if choice is not None})
    choices.check()
    return choices
