"""The models that come with Weft: a target, and a draft with its tokenizer."""

from pathlib import Path

from weft.contracts.errors import ConfigurationError

DIRECTORY = Path(__file__).resolve().parents[1] / "models" / "builtin"

DEFAULT = "builtin"
"""Names the one that is served where nobody names any."""

NAMES = {DEFAULT: "weft-tiny", "weft-tiny": "weft-tiny", "weft-nano": "weft-nano"}
"""What they are called, and where they lie; a directory of such a name is ./NAME."""


def builtin_model(name: str = DEFAULT, directory: Path = DIRECTORY) -> Path:
    """The directory of one of `NAMES`. Raises `ConfigurationError` where this installation has none."""
    found = directory / NAMES[name]
    if not (found / "config.json").is_file():
        raise ConfigurationError(
            f"this installation has no built-in model {NAMES[name]} (looked in {directory}); name a model: a Hugging "
            "Face directory"
        )
    return found
