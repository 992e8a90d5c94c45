"""What users name a model by, and the directory where it lies."""

import difflib
import os
import re
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.builtin import DEFAULT, NAMES, builtin_model
from weft.model_specs.gguf_header import is_gguf

_HUB_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
_WHAT_IT_MAY_BE = (
    "give a Hugging Face directory, a .gguf file, ORG/NAME or ORG/NAME@REVISION of huggingface.co, or one of those "
    f"that come with Weft: {', '.join(NAMES)}"
)
_FILE_ADVICE = {
    ".safetensors": "name the directory that holds it",
    ".json": "name the directory that holds it",
    ".bin": "`weft convert` turns a llama2.c file into a directory",
}


def resolve_model(text: str | None, *, may_download: bool = True) -> Path:
    """The directory of a model, or its GGUF file.

    `text`: a directory, or such a file; ORG/NAME on huggingface.co, with @REVISION where it is not the default branch;
    the name of a model that comes with Weft, or None: "builtin". `may_download`: else of huggingface.co only what its
    cache holds.
    Raises `ConfigurationError` for anything else, with the nearest directories.
    """
    if text is None or text in NAMES:
        return builtin_model(text or DEFAULT)
    if os.path.isdir(text) or (os.path.isfile(text) and is_gguf(Path(text))):
        return Path(text)
    match = _HUB_NAME.fullmatch(text)
    if match is None or os.path.exists(text):
        raise ConfigurationError(f"{_problem(text)}; {_nearest(text) or _WHAT_IT_MAY_BE}")
    from weft.weights.hub import fetch_model  # here, so that directories need no library of the hub

    try:
        return fetch_model(match[1], match[2], may_download=may_download)
    except ConfigurationError as error:
        near = _nearest(text)
        raise ConfigurationError(f"{error}; {near}" if near else str(error)) from error


def model_at_hand(text: str | None) -> Path | None:
    """The directory of a model that is on this machine; None for ORG/NAME of which that is not known.

    Raises `ConfigurationError` for what names no model at all.
    """
    try:
        return resolve_model(text, may_download=False)
    except ConfigurationError:
        if text is None or _HUB_NAME.fullmatch(text) is None or os.path.exists(text):
            raise
        return None


def _problem(text: str) -> str:
    if os.path.isfile(text):
        advice = _FILE_ADVICE.get(Path(text).suffix.lower())
        return f"{text} is a file, not a model" + (f": {advice}" if advice else "")
    shown = repr(text if len(text) <= 60 else text[:60] + "…")
    if any(character.isspace() for character in text):
        return f"{shown} is no model; the model comes first, texts after it ({DEFAULT!r} is the built-in one)"
    return f"there is no model {shown}"


def _nearest(text: str) -> str:
    """A question that names directories beside where the text points, or nothing."""
    parent, name = os.path.split(text.rstrip("/"))
    try:
        with os.scandir(parent or ".") as entries:
            found = sorted(entry.name for entry in entries if entry.is_dir())
    except (OSError, ValueError):
        return ""
    near = [os.path.join(parent, each) for each in difflib.get_close_matches(name, found, n=3)]
    return f"did you mean the directory {' or '.join(near)}?" if near else ""
