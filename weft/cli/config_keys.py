"""What a configuration may say: the flags of the commands that take it, under their own names.

A key at the top is for every command that has such a flag; one in the section of a command is for that alone, and goes
before the one at the top. Which keys there are follows from the flags: a new flag is a new key.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import click

from weft.cli.config_reading import Entry, Value, read_entries
from weft.contracts.errors import WeftError

TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
"""As YAML 1.2 writes them (core schema)."""

MOST_SHOWN = 300
"""Characters of what is said of one mistake."""


def configured_commands() -> dict[str, click.Command]:
    """The commands that take a configuration, by the name of their section."""
    from weft.cli.serve import command as serve
    from weft.cli.simulate import command as simulate

    return {"serve": serve, "simulate": simulate}


def keys_of(command: click.Command) -> dict[str, click.Parameter]:
    """What a command can be told, by key."""
    return {key_of(parameter): parameter for parameter in command.params if parameter.expose_value}


def key_of(parameter: click.Parameter) -> str:
    """The longest form of a flag, with underscores."""
    longest = max(parameter.opts, key=len)
    return longest.lstrip("-").replace("-", "_")


class Finding(NamedTuple):
    """A mistake in a file: what is wrong, and what to do. `line`: None where it is in no one line."""

    line: int | None
    text: str

    def told(self, path: Path) -> str:
        """On one line."""
        text = " ".join(self.text.split())
        shown = text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"
        return f"{path}: {shown}" if self.line is None else f"{path}:{self.line}: {shown}"


def by_line(findings: Iterable[Finding]) -> list[Finding]:
    """In the order of the file, each once, and those of no line at the end."""
    return sorted(dict.fromkeys(findings), key=lambda each: inf if each.line is None else each.line)


def complaint(attempt: Callable[[], object]) -> str | None:
    """What an attempt is refused with, None where it succeeds."""
    try:
        attempt()
    except click.MissingParameter as error:
        return f"{error.param and key_of(error.param)} is missing; add it"
    except click.UsageError as error:
        return (error.message or error.format_message()).rstrip(".")
    except WeftError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file that was read: what it says, before anybody has judged it. `keys`: of each command."""

    path: Path
    entries: tuple[Entry, ...]
    commands: Mapping[str, click.Command]
    keys: Mapping[str, Mapping[str, click.Parameter]]

    @staticmethod
    def read(path: Path) -> "Configuration":
        """Raises `ConfigurationError` for what is not of the form of a configuration."""
        commands = configured_commands()
        keys = {name: keys_of(command) for name, command in commands.items()}
        return Configuration(path, tuple(read_entries(path)), commands, keys)

    def effective(self, name: str) -> dict[str, Entry]:
        """What is said to one command, by key."""
        keys = self.keys[name]
        said = [entry for entry in self.entries if entry.key in keys and entry.value is not None]
        return {entry.key: entry for section in ("", name) for entry in said if entry.section == section}

    def values(self, name: str) -> dict[str, Any]:
        """The values for one command by names of its parameters, as texts, as click takes them for defaults. Those
        that it would refuse are left out."""
        keys, found = self.keys[name], self.effective(name)
        good = [key for key, entry in found.items() if self.refusal(entry, name) is None]
        return {str(keys[key].name): _given(keys[key], found[key].value) for key in good}

    def context(self, name: str) -> click.Context:
        """Of a command that is called with nothing else. Raises `click.UsageError` where something is missing."""
        return self.commands[name].make_context(name, [], default_map=self.values(name))

    def refusal(self, entry: Entry, name: str) -> str | None:
        """What one command has against a value, which its flag would have against it too; None: nothing."""
        command, parameter = self.commands[name], self.keys[name][entry.key]

        def attempt() -> None:
            context = click.Context(command, info_name=name)
            parameter.type_cast_value(context, _given(parameter, entry.value))

        told = complaint(attempt)
        if told is None:
            return None
        told = told.removeprefix("--")
        return told if told.startswith(f"{entry.key} ") else f"{entry.key}: {told}"

    def refused(self, name: str) -> list[Finding]:
        """Values that one command does not take; of a key at the top it is said where another one does."""
        effective = self.effective(name)
        places = {(entry.section, key) for key, entry in effective.items()}
        found = (
            (entry, self.refusal(entry, name))
            for entry in self.entries
            if (entry.section, entry.key) in places and entry.value is not None
        )
        return [Finding(entry.line, told + self._advice(entry, name)) for entry, told in found if told]

    def _advice(self, entry: Entry, name: str) -> str:
        others = [
            each for each in self.commands if each != name and self.effective(each).get(entry.key) == entry
        ]
        willing = [each for each in others if self.refusal(entry, each) is None]
        if not willing:
            return ""
        return f" (so weft {name}; weft {willing[0]} takes it: move it to section {willing[0]})"

    def only_for_others(self, name: str) -> dict[str, list[str]]:
        """Keys at the top that one command does not have: for each command that has them."""
        tops = [entry.key for entry in self.entries if not entry.section and entry.key not in self.keys[name]]
        others = {each: [key for key in tops if key in keys] for each, keys in self.keys.items()}
        return {each: keys for each, keys in others.items() if keys}

    def meant(self) -> list[str]:
        """The commands that it is for: those with a section, or with a key that only they have; else all."""
        named = {entry.section or entry.key for entry in self.entries}
        special = [name for name in self.keys if name in named or self._own(name) & named]
        return special or list(self.keys)

    def _own(self, name: str) -> set[str]:
        others = {key for each, keys in self.keys.items() if each != name for key in keys}
        return set(self.keys[name]) - others


def _given(parameter: click.Parameter, value: Value) -> Any:
    """As click takes it. Raises `click.BadParameter` for a text that is no truth, and a list where one value is."""
    if parameter.multiple or parameter.nargs != 1:
        return (value,) if isinstance(value, str) else value
    if not isinstance(value, str):
        raise click.BadParameter("it takes one value, and this is a list; give one")
    if isinstance(parameter, click.Option) and parameter.is_flag:
        if value not in TRUTHS:
            raise click.BadParameter(f"{value!r} is neither true nor false; write one of these")
        return TRUTHS[value]
    return value
