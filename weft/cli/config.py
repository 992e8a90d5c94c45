"""`weft config`: what a file of flags means, and whether it is right."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import yaml

from weft.cli.config_check import check_configuration
from weft.cli.config_keys import Configuration
from weft.cli.config_places import require
from weft.contracts.options import ServingOptions
from weft.policies.choices import PolicyChoices
from weft.simulator.deployment_options import DeploymentOptions

EXIT_WRONG = 2
FILE = click.argument("file", type=click.Path(path_type=Path))

DERIVED_FROM: dict[str, tuple[object, ...]] = {
    "serve": (ServingOptions(), PolicyChoices()),
    "simulate": (DeploymentOptions(), DeploymentOptions().serving),
}
"""Where the value of a flag comes from that has no default itself."""


@click.command()
@FILE
def check_command(file: Path) -> int:
    """Check FILE: keys, values, names, and whether what it describes can be.

    One line for each finding, and exit code 2 where there is any. It does not look at this machine's devices and
    memory: `weft serve --config FILE --dry-run` does.
    """
    findings = check_configuration(file)
    for finding in findings:
        click.echo(finding.told(file))
    if not findings:
        click.echo(f"{file}: fine")
    return EXIT_WRONG if findings else 0


@click.command()
@FILE
def show_command(file: Path) -> None:
    """Show what FILE means, defaults included, as such a file.

    What has the same value for all commands stands at the top. What is left open, to be derived from the model or the
    machine, is listed in comments, as are secrets without their values.
    """
    configuration = Configuration.read(file)
    names = configuration.meant()
    for name in names:
        require(configuration, name)
    meant = {name: _meant(configuration, name) for name in names}
    click.echo("\n".join(_lines(meant, list(configuration.commands))))


class Meant(NamedTuple):
    """What a command takes from a file and its defaults, by key; `left_open` and `hidden` are keys alone."""

    values: dict[str, Any]
    left_open: list[str]
    hidden: list[str]


def _meant(configuration: Configuration, name: str) -> Meant:
    context = configuration.context(name)
    meant = Meant({}, [], [])
    for key, parameter in configuration.keys[name].items():
        value = context.params[str(parameter.name)]
        if value is None:
            value = _derived(name, str(parameter.name))
        if value is None or value == ():
            meant.left_open.append(key)
        elif isinstance(parameter, click.Option) and parameter.hide_input:
            meant.hidden.append(key)
        else:
            meant.values[key] = _plain(value)
    return meant


def _derived(name: str, field: str) -> Any:
    """The default of the first options that have such a field."""
    return next((getattr(options, field) for options in DERIVED_FROM[name] if hasattr(options, field)), None)


def _plain(value: Any) -> Any:
    """As YAML writes it, and a flag reads it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    is_plain = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else str(value)


def _lines(found: dict[str, Meant], names: list[str]) -> Iterator[str]:
    """`names`: all sections that there are; only what all of them agree on is at the top."""
    first = found[names[0]].values if set(names) == set(found) else {}
    shared = {
        key: value
        for key, value in first.items()
        if all(each.values.get(key) == value for each in found.values())
    }
    if shared:
        yield _dumped(shared)
    for name, meant in found.items():
        own = {key: value for key, value in meant.values.items() if key not in shared}
        yield _dumped({name: own or None})
        for reason, keys in (("left open", meant.left_open), ("not shown", meant.hidden)):
            if keys:
                yield f"  # {reason}: {', '.join(keys)}"


def _dumped(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=10_000).rstrip("\n")
