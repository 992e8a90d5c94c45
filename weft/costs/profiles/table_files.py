"""Finding and reading tables of measured kernels. They are Parquet, which needs pyarrow."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from weft.contracts.errors import ConfigurationError

Conditions = dict[str, str | int]
"""By column, the value that a row has to have; a table without the column fulfils any."""


def optional_parquet(path: Path) -> ModuleType:
    """The module that reads Parquet; raises `ConfigurationError` where it is not installed."""
    try:
        return import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{path}: reading tables of profiles needs pyarrow; run pip install 'weft[traces]' (or pip install "
            "pyarrow)"
        ) from None


def newest(directory: Path, pattern: str) -> Path | None:
    """The match of the pattern in the folder with the highest version, where there is any."""
    found = sorted(directory.glob(pattern), key=lambda path: (_version(path.parent.name), path.parent.name))
    return found[-1] if found else None


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in name.split("."))


def rows(path: Path, columns: Sequence[str], where: Conditions | None = None) -> Iterator[tuple[Any, ...]]:
    """Values of the columns, row by row, in the rows that fulfil all conditions.

    Raises `ConfigurationError` for a file that cannot be read, or that has not all the columns.
    """
    parquet, arrow = optional_parquet(path), import_module("pyarrow")
    try:
        present = parquet.read_schema(path).names
        _check(path, columns, present)
        filters = [(name, "=", value) for name, value in (where or {}).items() if name in present]
        table = parquet.read_table(path, columns=list(columns), filters=filters or None)
    except (OSError, arrow.ArrowException) as error:
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"{path}: it cannot be read as Parquet ({summary}); check the file"
        ) from None
    return zip(*(table[name].to_pylist() for name in columns), strict=True)


def _check(path: Path, columns: Sequence[str], present: Sequence[str]) -> None:
    missing = [name for name in columns if name not in present]
    if missing:
        raise ConfigurationError(
            f"{path}: it has no column {', '.join(missing)}, only {', '.join(present)}; give a table of the layout "
            "that docs/profiles.md describes"
        )
