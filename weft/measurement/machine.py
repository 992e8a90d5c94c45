"""On what and with what a measurement was made."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import weft.measurement
from weft.executor.limits import available_processors

PROCESSORS = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, Any]:
    """Versions, commit and processor; what cannot be known is None."""
    return {
        "version": _version("weft"),
        "commit": commit(),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "processor": processor_model(),
        "cores_usable": available_processors(),
        "platform": platform.platform(),
        "load_average": os.getloadavg()[0],  # whoever else computes makes every figure worse
    }


def processor_model(file: Path = PROCESSORS) -> str | None:
    """As the kernel names it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def commit(root: Path | None = None) -> str | None:
    """Of the checkout that Weft runs from, with "+changes" where files differ from it; None where there is none."""
    root = Path(weft.measurement.__file__).parents[2] if root is None else root
    if not (root / ".git").exists():
        return None
    name = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return None if name is None or changes is None else name + ("+changes" if changes else "")


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
