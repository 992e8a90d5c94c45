"""The models that come with Weft."""

from pathlib import Path

from weft.contracts.errors import ConfigurationError

FOLDER = Path(__file__).resolve().parents[1] / "models" / "builtin"
TARGET, DRAFT = "weft-tiny", "weft-nano"
NAMES = {"builtin": TARGET, TARGET: TARGET, DRAFT: DRAFT}
"""What users may call them, and their directories. "builtin" is the larger one."""


def builtin_model(name: str = "builtin", folder: Path = FOLDER) -> Path:
    """The directory of a built-in model. Raises `ConfigurationError` where this installation has none."""
    directory = folder / NAMES[name]
    if not (directory / "config.json").is_file():
        raise ConfigurationError(
            f"this installation has no built-in model (looked in {directory}); name a model: a Hugging Face "
            "directory"
        )
    return directory
