"""`weft policies`: what can be chosen, and how it is set."""

import json

import click

from weft.cli.mistakes import NearChoice
from weft.contracts.errors import ConfigurationError
from weft.policies.knobs import READERS, Knob
from weft.policies.listing import Description, describe_policies
from weft.policies.registry import POLICIES


@click.command()
@click.argument("name", required=False)
@click.option("--kind", type=NearChoice(list(POLICIES)), help="Of one kind only.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(name: str | None, kind: str | None, as_json: bool) -> None:
    """List the policies that ship with their knobs, or all about the one called NAME.

    A policy is chosen by --order, --budget, --preempt, --retain or, for kind route, --router NAME, where knobs may
    follow: priority:ageing_s=10.
    """
    found = [each for each in describe_policies(kind) if name in (None, each.name)]
    if name is not None and not found:
        names = ", ".join(each.name for each in describe_policies(kind))
        raise ConfigurationError(f"no policy is named {name!r}; known are {names}")
    if as_json:
        click.echo(json.dumps([_plain(each) for each in found], indent=1))
    elif name is not None:
        click.echo("\n\n".join(f"{each.kind} {each.name}\n\n{each.text}" for each in found))
    else:
        _list(found)


def _plain(description: Description) -> dict[str, object]:
    return {**description._asdict(), "knobs": [knob._asdict() for knob in description.knobs]}


def _list(found: list[Description]) -> None:
    width = max(len(each.name) for each in found)
    last = ""
    for each in found:
        if each.kind != last:
            click.echo(f"{each.kind}")
            last = each.kind
        click.echo(f"  {each.name:<{width}}  {each.summary}")
        for knob in each.knobs:
            click.echo(f"  {'':<{width}}    {_settable(knob)}")


def _settable(knob: Knob) -> str:
    shown = "none" if knob.default is None else knob.default
    return f"{knob.name}={shown}  ({READERS[knob.kind][1]})"
