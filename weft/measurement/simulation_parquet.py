"""Requests of simulations as a Parquet file: one row each, units in the names of columns."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import ENDS
from weft.measurement.request_table import RequestTable

TYPES = {"b": "int8", "i": "int32", "q": "int64", "d": "float64"}
CODED = {"status_codes": "status", "reason_codes": "reason"}


def require_pyarrow() -> tuple[ModuleType, ModuleType]:
    """pyarrow and its Parquet module; raises `ConfigurationError` where they are missing, and says how to get them."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "writing Parquet needs pyarrow; run pip install 'weft[traces]' (or pip install pyarrow)"
        ) from None


def write_parquet(path: Path, runs: Sequence[tuple[Mapping[str, float], RequestTable]]) -> None:
    """Write the requests of runs, one run after the other, each with the values that were swept over.

    The columns are those of `RequestTable`, with `status` and `reason` as text, and before them `swept_NAME` for each
    value of a run. What is not known is null: the first token of a request without output, the replica of one that
    reached none. Raises OSError where the file cannot be written.
    """
    arrow, parquet = require_pyarrow()
    writer = None
    try:
        for at, requests in runs:
            table = _arrow_table(arrow, at, requests)
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _arrow_table(arrow: ModuleType, at: Mapping[str, float], requests: RequestTable) -> Any:
    number = len(requests)
    columns = {
        f"swept_{name}": arrow.repeat(arrow.scalar(float(value)), number) for name, value in at.items()
    }
    texts = {"status_codes": [status.value for status in ENDS], "reason_codes": requests.reasons}
    for name, column in requests.columns().items():
        values = arrow.Array.from_buffers(
            getattr(arrow, TYPES[column.typecode])(), number, [None, arrow.py_buffer(column.tobytes())]
        )
        if name in CODED:
            columns[CODED[name]] = arrow.array(texts[name], arrow.string()).take(values)
        else:
            columns[name] = _with_nulls(name, values)
    return arrow.table(columns)


def _with_nulls(name: str, values: Any) -> Any:
    compute = import_module("pyarrow.compute")
    if name == "first_token_s":
        return compute.if_else(compute.is_nan(values), None, values)
    if name == "replica":
        return compute.if_else(compute.less(values, 0), None, values)
    return values
