"""Where `weft simulate` writes, besides the terminal."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from weft.contracts.errors import ConfigurationError
from weft.measurement.chrome_trace import ChromeTrace
from weft.measurement.request_table import RequestTable
from weft.measurement.simulation_parquet import require_pyarrow, write_parquet
from weft.simulator.service import Watch

OUTPUT = click.Path(dir_okay=False, path_type=Path)


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that name files; `Files.taken` takes what they give."""
    for decorate in (
        click.option("--trace", "trace_path", type=OUTPUT, help="Events of a run, for ui.perfetto.dev."),
        click.option("--parquet", "parquet_path", type=OUTPUT, help="One row for each request."),
        click.option("--html", "html_path", type=OUTPUT, help="A page with plots, in one file."),
        click.option("--json", "json_path", type=OUTPUT, help="All figures."),
    ):
        command = decorate(command)
    return command


class Files(NamedTuple):
    """Paths; None where a file is not wanted."""

    json: Path | None
    html: Path | None
    parquet: Path | None
    trace: Path | None

    @staticmethod
    def taken(given: dict[str, Any]) -> "Files":
        """Take the paths out of the arguments of a command.

        Raises `click.UsageError` for a path without a directory, and `ConfigurationError` where pyarrow is needed and
        missing: now, not when the simulation is over.
        """
        files = Files(*(given.pop(f"{name}_path") for name in Files._fields))
        for name, path in files._asdict().items():
            if path is not None and not path.absolute().parent.is_dir():
                raise click.UsageError(f"--{name}: there is no directory {path.parent}; make it first")
        if files.parquet is not None:
            require_pyarrow()
        return files

    def write(
        self,
        figures: Mapping[str, Any],
        page: Callable[[], str],
        requests: Sequence[tuple[Mapping[str, float], RequestTable]],
    ) -> None:
        """Write what is wanted. `requests`: of each run, with the values that were swept."""
        if self.json is not None:
            _write_text(self.json, json.dumps(figures, indent=2, allow_nan=False) + "\n")
        if self.html is not None:
            _write_text(self.html, page())
        if self.parquet is not None:
            with _named(self.parquet):
                write_parquet(self.parquet, requests)


def _write_text(path: Path, text: str) -> None:
    with _named(path):
        path.write_text(text, encoding="utf-8")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What a file system refuses, with the path."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror or error}); give another file"
        ) from error


@contextmanager
def trace_file(path: Path | None) -> Iterator[Watch | None]:
    """What follows the logs of a run into a file; nothing where none is wanted."""
    if path is None:
        yield None
        return
    with _named(path):
        file = path.open("w", encoding="utf-8")
    with file:
        trace = ChromeTrace(file)
        yield trace.watch
        trace.close()
