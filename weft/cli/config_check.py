"""What is wrong with a configuration: all of it, before anything is served or simulated."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from weft.cli.config_keys import Configuration, Finding, by_line, complaint
from weft.cli.config_places import misplaced
from weft.cli.emulation_options import check_emulated
from weft.cli.model_options import given_options
from weft.cli.serve import prepared
from weft.cli.simulate import asked_deployment, asked_for, asked_workload
from weft.contracts.options import serving_options
from weft.llm.model_path import model_at_hand
from weft.measurement.sweep_plan import Span, SweepPlan
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.families import read_spec
from weft.simulator.deployment_sizes import longest_tokens

Attempt = Callable[[], object]


class Attempts(NamedTuple):
    """What a command does with its flags before it begins. `whole`: what depends on all of them."""

    parts: tuple[Attempt, ...]
    whole: Attempt


def check_configuration(path: Path) -> list[Finding]:
    """Everything that is wrong with a file, in the order of its lines.

    Keys and values are judged for all commands; what they come to together, for those that the file is meant for: a
    model that is at hand, a deployment that can be planned. What depends on this machine's devices, memory and ports
    is not looked at. Raises `ConfigurationError` for what is not of the form of a configuration.
    """
    configuration = Configuration.read(path)
    found = misplaced(configuration)
    for name in configuration.commands:
        found += configuration.refused(name)
    is_whole = not found
    for name in configuration.meant():
        found += _together(configuration, name, is_whole)
    return by_line(found)


def _together(configuration: Configuration, name: str, is_whole: bool) -> list[Finding]:
    """What a command says of the values that are right by themselves; where they are not the whole file, only what is
    wrong without the others, too."""
    told: list[str | None] = []

    def attempt() -> None:
        try:
            context = configuration.context(name)
        except click.MissingParameter:
            if is_whole:
                raise
            return  # it may be what another key was meant for
        attempts = ATTEMPTS[name](context)
        told.extend(map(complaint, attempts.parts))
        if is_whole and not any(told):
            attempts.whole()

    told.append(complaint(attempt))
    return [Finding(_line_of(text, configuration, name), f"weft {name}: {text}") for text in told if text]


def _line_of(text: str, configuration: Configuration, name: str) -> int | None:
    """Of the key that the problem names first, else of the value that it quotes."""
    problem = text.partition(";")[0]
    entries, places, quoted = configuration.effective(name), dict[int, int](), list[int]()
    for key, entry in entries.items():
        parameter = configuration.keys[name][key]
        names = "|".join(map(re.escape, (key, str(parameter.name), *parameter.opts)))
        if (found := re.search(rf"(?<![\w-])({names})(?![\w-])", problem)) is not None:
            places[found.start()] = entry.line
        if entry.value and repr(entry.value) in problem:
            quoted.append(entry.line)
    return places[min(places)] if places else next(iter(quoted), None)


def _serving(context: click.Context) -> Attempts:
    arguments = dict(context.params)
    given = given_options(arguments)
    return Attempts(
        (lambda: _check_model(arguments["model"], arguments["emulate"], given),),
        lambda: prepared(given, arguments),
    )


def _check_model(model: str | None, emulated: str | None, given: dict[str, Any]) -> None:
    """One that would have to be downloaded first is not known yet."""
    if emulated is not None:
        check_emulated(model, emulated, given)
    elif (directory := model_at_hand(model)) is not None:
        longest_tokens(read_spec(directory), serving_options(given))


def _simulation(context: click.Context) -> Attempts:
    """The workload of a sweep is looked at with the first values."""
    asked = asked_for(context, dict(context.params))
    chosen = asked.chosen
    swept = {name: each.low if isinstance(each, Span) else each[0] for name, each in asked.over.items()}

    def plan() -> object:
        if not asked.over:
            return asked_deployment(chosen)
        others = {name: value for name, value in chosen.items() if name not in ("model", "workload")}
        return SweepPlan(chosen["model"], chosen["workload"], asked.over, others)

    return Attempts((lambda: find_model(chosen["model"]), lambda: asked_workload(chosen | swept)), plan)


ATTEMPTS: dict[str, Callable[[click.Context], Attempts]] = {"serve": _serving, "simulate": _simulation}
