"""Flags of every verb that answers requests: what the model is called, and how it reads and writes conversations."""

from collections.abc import Callable
from typing import Any

import click

from weft.cli.asking import chat_template_option, tokenizer_option
from weft.cli.mistakes import NearChoice
from weft.text.tool_formats.families import TOOL_FORMATS

OPTIONS = (
    click.option(
        "--served-model-name",
        "names",
        multiple=True,
        help="What requests call the model; may be repeated.  [default: ORG/NAME, or the directory's name]",
    ),
    tokenizer_option,
    chat_template_option,
    click.option(
        "--tool-format",
        type=NearChoice(TOOL_FORMATS),
        default="auto",
        show_default=True,
        help="How the model writes calls of tools; auto: as its chat template does.",
    ),
)


def answering_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these flags; it gets `names`, `tokenizer`, `chat_template` and `tool_format`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
