"""What the verbs that ask a model for text have in common: its argument, its loading, its notices."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from weft.llm.async_llm import AsyncLLM

EXISTING = click.Path(exists=True, path_type=Path)

tokenizer_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--tokenizer", type=EXISTING, help="File or directory to use instead of the model's own."
)
chat_template_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--chat-template", type=EXISTING, help="File or directory to use instead of the model's own."
)


def load(
    directory: Path,
    options: Mapping[str, Any],
    tokenizer: Path | None = None,
    chat_template: Path | None = None,
) -> "AsyncLLM":
    """The model in a directory, loaded; what it warns of is told. Raises `ConfigurationError`."""
    from weft.llm.async_llm import AsyncLLM

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        llm = AsyncLLM(directory, tokenizer=tokenizer, chat_template=chat_template, bounded=False, **options)
    for warning in caught:
        notice(f"weft: warning: {warning.message}")
    return llm


def notice(text: str) -> None:
    """Tell the user something that is no part of the output."""
    click.echo(" ".join(text.split()), err=True)
