"""Models from huggingface.co, through its own library and its cache."""

from pathlib import Path
from typing import TYPE_CHECKING

from weft.contracts.errors import ConfigurationError
from weft.weights.messages import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_TIMEOUT_S = 5.0
"""How long the hub may take to say what it has; the library alone would wait for ever."""

WANTED = ("*.safetensors", "*.json", "*.model", "*.jinja", "merges.txt")
UNWANTED = ("*/*", "consolidated*.safetensors")
"""Other formats of the same weights, which lie in folders or under the name of Mistral's own format."""


def fetch_model(name: str, revision: str | None = None, *, may_download: bool = True) -> Path:
    """The directory of a model's files in the cache, downloaded where they are missing or out of date.

    `name`: ORG/NAME. `revision`: a branch, a tag or a commit. `may_download`: else only the cache is looked at.
    Where the hub cannot be reached or refuses, a complete copy in the cache will do. Raises
    `ConfigurationError` where there is none either, within seconds.
    """
    problem = _ask(name, revision) if may_download else None
    try:
        return _checked(_snapshot(name, revision, is_local=problem is not None or not may_download), name)
    except ConfigurationError:
        raise
    # Beside its own errors the library lets through those of HTTP, of its downloader and of files.
    except Exception as error:
        raise ConfigurationError(_advice(problem or error, name, revision)) from error


def _ask(name: str, revision: str | None) -> Exception | None:
    """What keeps the hub from answering for this model, or None."""
    from huggingface_hub import HfApi

    try:
        HfApi(library_name="weft").model_info(name, revision=revision, timeout=ANSWER_TIMEOUT_S)
    except Exception as error:
        return error
    return None


def _snapshot(name: str, revision: str | None, *, is_local: bool) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
            local_files_only=is_local,
            library_name="weft",
        )
    )


def _checked(directory: Path, name: str) -> Path:
    missing = _missing(sorted(path.name for path in directory.iterdir()))
    if missing:
        raise ConfigurationError(
            f"{name} on the hub has no {missing}; choose a repository with weights in the format of transformers"
        )
    return directory


def _missing(names: "Sequence[str]") -> str:
    if "config.json" not in names:
        return "config.json"
    return "" if any(name.endswith(".safetensors") for name in names) else "*.safetensors"


def _advice(error: Exception, name: str, revision: str | None) -> str:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{name} is gated; accept its terms at {constants.ENDPOINT}/{name}, then log in with `hf auth login` "
            "or set HF_TOKEN"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{name} has no revision {revision!r}; leave it away, or name a branch, tag or commit that it has"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{constants.ENDPOINT} has no model {name} that you may see; check the name, or log in with "
            "`hf auth login` where it is private"
        )
    if isinstance(error, errors.HFValidationError):
        return f"{name} is no name of a model ({clipped(str(error))}); give ORG/NAME"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return (
            f"{name} is not complete in the cache ({constants.HF_HUB_CACHE}) and HF_HUB_OFFLINE forbids to fetch "
            "it; unset that, or give a directory with the model"
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return (
            f"{name} is not complete in the cache ({constants.HF_HUB_CACHE}); "
            "`weft generate` or `weft serve` downloads it"
        )
    return (
        f"{name} cannot be fetched from {constants.ENDPOINT} ({clipped(str(error) or type(error).__name__)}) and is "
        f"not complete in the cache ({constants.HF_HUB_CACHE}); check the network, or give a directory with the model"
    )
