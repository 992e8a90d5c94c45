"""One line for a command line that click refuses, with what was probably meant."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import click


class NearChoice(click.Choice[str]):
    """One of a few words; a mistyped one is answered with the nearest."""

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__(list(choices))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word; raises `click.UsageError` for any other."""
        if value in self.choices:
            return str(value)
        name = param.opts[0] if param is not None and param.opts else "value"
        near = nearest(str(value), self.choices)
        question = f"did you mean {near!r}? " if near else ""
        raise click.UsageError(f"{name} is {str(value)!r}; {question}choose {_listed(self.choices)}", ctx)


def nearest(word: str, known: Sequence[str]) -> str:
    """The one of the known words that is most like this one, or nothing where none is alike."""
    lowered = {each.lower(): each for each in known}
    found = get_close_matches(word.lower(), lowered, n=1)
    return lowered[found[0]] if found else ""


def explain(error: click.ClickException) -> str:
    """What was wrong and what to do, on one line."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    advice = f"`{context.command_path} --help` tells what there is" if context is not None else ""
    if isinstance(error, click.NoSuchOption):
        problem = f"there is no option {error.option_name}"
        near = _nearest_option(error.option_name, context)
        return f"{problem}; {f'did you mean {near}?' if near else advice}"
    message = error.format_message().rstrip(".")
    return f"{message}; {advice}" if advice and ";" not in message else message


def _nearest_option(name: str, context: click.Context | None) -> str:
    if context is None:
        return ""
    options = [option for param in context.command.get_params(context) for option in _options_of(param)]
    return nearest(name.replace("_", "-"), options)


def _options_of(param: click.Parameter) -> list[str]:
    names = [*param.opts, *param.secondary_opts] if isinstance(param, click.Option) else []
    return [name for name in names if name.startswith("--")]


def _listed(words: Sequence[str]) -> str:
    quoted = [repr(word) for word in words]
    return " or ".join(quoted) if len(quoted) <= 2 else f"one of {', '.join(quoted)}"


def split_advice(message: str) -> tuple[str, str]:
    """What was wrong, and what to do: the errors of Weft say it after the last semicolon."""
    problem, _, advice = " ".join(message.split()).rpartition("; ")
    return (problem, advice) if problem else (advice, "")
