"""The model that comes with Weft."""

from pathlib import Path

from weft.contracts.errors import ConfigurationError

DIRECTORY = Path(__file__).resolve().parents[1] / "models" / "builtin"


def builtin_model(directory: Path = DIRECTORY) -> Path:
    """The directory of the built-in model. Raises `ConfigurationError` where this installation has none."""
    if not (directory / "config.json").is_file():
        raise ConfigurationError(
            f"this installation has no built-in model (looked in {directory}); name a model: a Hugging Face "
            "directory"
        )
    return directory
