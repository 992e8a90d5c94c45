"""Where Weft keeps, on this machine, what it could make again."""

import os
from collections.abc import Mapping
from pathlib import Path


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Of this user (XDG Base Directory Specification 0.8). Raises `RuntimeError` where the user has no home."""
    given = environment.get("XDG_CACHE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    return base / "weft"
