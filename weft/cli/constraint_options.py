"""Flags that say what an output must look like."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from weft.contracts.constraints import Constraint, constraint_from
from weft.contracts.errors import InvalidRequest


def constraint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--json-schema`, `--regex` and `--choice`; it gets one argument, `constraint`, which may be None.

    Raises `InvalidRequest` where more than one is given.
    """

    @click.option("--json-schema", metavar="FILE|TEXT", help="Outputs are JSON that satisfies this schema.")
    @click.option("--regex", help="Outputs match this regular expression as a whole.")
    @click.option(
        "--choice", multiple=True, help="Outputs are this text, or another one so named; may be repeated."
    )
    @wraps(command)
    def with_constraint(
        json_schema: str | None, regex: str | None, choice: tuple[str, ...], **rest: Any
    ) -> Any:
        return command(constraint=_constraint(json_schema, regex, choice), **rest)

    return with_constraint


def _constraint(schema: str | None, regex: str | None, choice: tuple[str, ...]) -> Constraint | None:
    text = None if schema is None else _text_of(schema)
    return constraint_from(json=text, regex=regex, choice=choice or None)


def _text_of(schema: str) -> str:
    """What begins as a schema does is one; anything else names a file."""
    if schema.lstrip().startswith(("{", "true")):
        return schema
    try:
        return Path(schema).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"--json-schema {schema!r} cannot be read ({error}); give a file or JSON"
        ) from error
