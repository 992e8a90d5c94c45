"""`weft validate`: how far predictions lie from what was measured."""

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from tqdm import tqdm

from weft.cli.mistakes import NearChoice
from weft.cli.validate_local import local_options, run_local
from weft.costs.servers import SERVERS
from weft.measurement.validation.page import validation_page
from weft.measurement.validation.text import describe_against
from weft.measurement.validation.validating import validate_against

OUTPUT = click.Path(dir_okay=False, path_type=Path)
OF_BOTH = ("against", "json_path")
OF_RECORDED_RUNS = ("profiles", "server", "html_path")


@click.command()
@click.argument("model", required=False)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Recorded runs of a real server, or a directory of such, in place of this machine.",
)
@click.option("--profiles", help="With --against: directory of kernels, or none.  [default: those that ship]")
@click.option(
    "--server",
    type=NearChoice(list(SERVERS)),
    help="With --against: whose constants to add.  [default: the recorded one's]",
)
@click.option("--html", "html_path", type=OUTPUT, help="With --against: a page with plots, in one file.")
@click.option("--json", "json_path", type=OUTPUT, help="All figures.")
@local_options
@click.pass_context
def command(
    context: click.Context,
    /,
    against: Path | None,
    json_path: Path | None,
    html_path: Path | None,
    profiles: str | None,
    server: str | None,
    **local: Any,
) -> None:
    """Compare predictions with what was measured.

    Without --against: calibrate, then run a load live on this machine with MODEL, and simulated, at shares of what the
    machine can do; nothing else should run meanwhile. With it: simulate runs as they were recorded, the same
    arrivals and lengths, or as many clients, or steps one by one.
    """
    _refuse_mixtures(context, against is not None)
    for name, path in (("json", json_path), ("html", html_path)):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.UsageError(f"--{name}: there is no directory {path.parent}; make it first")
    if against is None:
        run_local(json_path=json_path, **local)
        return
    given = {"profiles": profiles, "server": server}
    _validate_against(
        against, {name: value for name, value in given.items() if value is not None}, json_path, html_path
    )


def _refuse_mixtures(context: click.Context, is_against: bool) -> None:
    """An option that would mean nothing is a mistake."""
    for parameter in context.command.params:
        name = parameter.name or ""
        is_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if is_given and name not in OF_BOTH and (name in OF_RECORDED_RUNS) is not is_against:
            kind = "runs on this machine" if is_against else "recorded runs"
            raise click.UsageError(
                f"{parameter.opts[0]} is for {kind}; {'leave out' if is_against else 'add'} --against, or leave it out"
            )


def _validate_against(
    against: Path, choices: dict[str, Any], json_path: Path | None, html_path: Path | None
) -> None:
    with tqdm(unit="run", disable=None, leave=False) as bar:

        def tell(name: str) -> None:
            bar.update()
            bar.set_postfix_str(name)

        found = validate_against(against, progress=tell, **choices)
    click.echo("\n".join(describe_against(found)))
    if json_path is not None:
        text = json.dumps(found.as_json(), indent=2, allow_nan=False) + "\n"
        json_path.write_text(text, encoding="utf-8")
    if html_path is not None:
        html_path.write_text(validation_page(found), encoding="utf-8")
