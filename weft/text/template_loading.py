"""Finds a model's chat template."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.gguf_header import is_gguf
from weft.text.chat_template import ChatTemplate
from weft.text.files import read_object, read_object_if_there, read_text
from weft.text.gguf_tokenizer import gguf_template

_WHAT = "a chat template"


def find_chat_template(
    path: Path,
    *,
    special_tokens: Mapping[str, str] | None = None,
    now: Callable[[], datetime] | None = None,
) -> ChatTemplate | None:
    """The template in a folder, or None: from chat_template.jinja, chat_template.json or
    tokenizer_config.json, in this order. `path` may also be a file: *.json with a "chat_template", a GGUF
    file, or the template itself.

    `special_tokens` and `now` as for `ChatTemplate`. Raises ConfigurationError where there is no such path, or
    what is there is no template.
    """
    if not path.exists():
        raise ConfigurationError(f"there is no chat template at {path}; name a folder or a file")
    where, source = _find_in_folder(path) if path.is_dir() else (path, _read(path))
    if source is None:
        return None
    return ChatTemplate(source, special_tokens=special_tokens, now=now, where=str(where))


def load_chat_template(
    path: Path,
    *,
    special_tokens: Mapping[str, str] | None = None,
    now: Callable[[], datetime] | None = None,
) -> ChatTemplate:
    """As `find_chat_template`, but raises ConfigurationError where there is no template."""
    template = find_chat_template(path, special_tokens=special_tokens, now=now)
    if template is None:
        raise missing_chat_template(path)
    return template


def missing_chat_template(path: Path) -> ConfigurationError:
    """What to raise where messages need a template and the model in this folder has none."""
    return ConfigurationError(
        f"{path} has no chat template (looked for chat_template.jinja, chat_template.json, and chat_template in "
        "tokenizer_config.json); give a plain prompt, or name a template with --chat-template PATH"
    )


def _find_in_folder(folder: Path) -> tuple[Path, str | None]:
    if (folder / "chat_template.jinja").is_file():
        return folder / "chat_template.jinja", read_text(folder / "chat_template.jinja", _WHAT)
    for path in (folder / "chat_template.json", folder / "tokenizer_config.json"):
        values = read_object_if_there(path, _WHAT)
        if values.get("chat_template") is not None:
            return path, _source(path, values["chat_template"])
    return folder, None


def _read(path: Path) -> str | None:
    if is_gguf(path):
        return gguf_template(path)
    if path.suffix != ".json":
        return read_text(path, _WHAT)
    return _source(path, read_object(path, _WHAT).get("chat_template"))


def _source(path: Path, entry: object) -> str:
    """An entry is the template, or a list of named ones, of which "default" is for chats."""
    if isinstance(entry, str):
        return entry
    named = entry if isinstance(entry, list) else []
    for one in named:
        if isinstance(one, dict) and one.get("name") == "default" and isinstance(one.get("template"), str):
            return str(one["template"])
    names = [one.get("name") for one in named if isinstance(one, dict)]
    raise ConfigurationError(
        f'{path}: chat_template must be a text, or a list with a template named "default"; '
        f"it is a {type(entry).__name__} with the names {names}"
    )
