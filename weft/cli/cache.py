"""`weft cache`: the packed weights that were kept for the next start."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from weft.cli.bench_output import UNKNOWN, print_json, print_table
from weft.contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from weft.weights.packed_cache import Entry, PackedCache

HEADS = ("model", "quantization", "dtype", "MiB", "last used")
MEBIBYTE = 1 << 20


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def list_command(as_json: bool) -> None:
    """List what is kept, the last used first. A file that cannot be read any more has no model."""
    cache = _cache()
    entries = cache.entries()
    described = [_described(entry) for entry in entries]
    if as_json:
        place = {"directory": str(cache.directory), "limit_bytes": cache.limit_bytes}
        print_json({**place, "entries": described})
        return
    if entries:
        print_table(HEADS, [_row(each) for each in described])
    click.echo(f"{_told(entries)} in {cache.directory}; at most {cache.limit_bytes / MEBIBYTE:,.0f} MiB")


@click.command()
def clear_command() -> None:
    """Remove all of it. Servers that run go on."""
    cache = _cache()
    click.echo(f"removed {_told(cache.clear())} in {cache.directory}")


def _cache() -> "PackedCache":
    from weft.weights.packed_cache import PackedCache

    try:
        return PackedCache.of_user()
    except OSError as error:
        raise ConfigurationError(f"there is no cache ({error}); set XDG_CACHE_HOME to a directory") from error


def _described(entry: "Entry") -> dict[str, Any]:
    model, kind, dtype = entry.describe()
    return {
        "path": str(entry.path),
        "model": model,
        "quantization": kind,
        "dtype": dtype,
        "bytes": entry.num_bytes,
        "used_at": datetime.fromtimestamp(entry.used_s).isoformat(timespec="seconds"),
    }


def _row(described: dict[str, Any]) -> list[str]:
    names = [described[name] or UNKNOWN for name in ("model", "quantization", "dtype")]
    return [*names, f"{described['bytes'] / MEBIBYTE:,.1f}", described["used_at"].replace("T", " ")]


def _told(entries: "Sequence[Entry]") -> str:
    files = f"{len(entries)} file{'' if len(entries) == 1 else 's'}"
    return f"{files}, {sum(entry.num_bytes for entry in entries) / MEBIBYTE:,.1f} MiB"
