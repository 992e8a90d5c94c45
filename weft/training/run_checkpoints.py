"""What a run writes to go on from: weights, moments of the optimizer and how far it is, in one file each."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from weft.contracts.errors import ConfigurationError
from weft.training.trainer import Progress, Trainer

KEPT = 2
"""The newest ones; the one before the last is there for the case that a disk damages the last."""

_PROGRESS = "progress"
_PARTIAL = ".partial"


def write_checkpoint(directory: Path, trainer: Trainer) -> Path:
    """Write one and delete those that are too old; it has its name only once it is whole and on the disk."""
    path = directory / f"step-{trainer.progress.steps_done:08d}.safetensors"
    partial = path.with_suffix(_PARTIAL)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        save_file(trainer.tensors(), partial, metadata={_PROGRESS: json.dumps(asdict(trainer.progress))})
        flush(partial)
        partial.replace(path)
        flush(directory)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise ConfigurationError(
            f"checkpoint {path} cannot be written: {error}; make room and go on with --resume"
        ) from error
    _delete_old(directory)
    return path


def newest_checkpoint(directory: Path) -> Path | None:
    """The one of the latest step, or None where there is none."""
    return max(directory.glob("step-*.safetensors"), default=None)


def restore_checkpoint(path: Path, trainer: Trainer) -> None:
    """Put a trainer to where the checkpoint was written. Raises `ConfigurationError` where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()[_PROGRESS]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"checkpoint {path} cannot be read ({error}); delete it to go on from the one before"
        ) from error
    trainer.restore(tensors, progress)


def flush(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete_old(directory: Path) -> None:
    """Also what a killed run left half written."""
    for path in [*sorted(directory.glob("step-*.safetensors"))[:-KEPT], *directory.glob(f"*{_PARTIAL}")]:
        path.unlink()
