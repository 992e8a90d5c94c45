"""One row of a trace, whose values are checked when they are asked for."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from weft.workloads.checks import MOST_TOKENS
from weft.workloads.errors import TraceError, shown

MOST_SECONDS = 1e10


class Row(NamedTuple):
    """Values by column; `place` says where in the file, as people count ("line 2")."""

    path: Path
    place: str
    values: Mapping[str, object]

    def problem(self, column: str, wanted: str) -> TraceError:
        """An error about the value in a column, saying what it must be."""
        if column not in self.values:
            return TraceError(self.path, f"column {column!r} is missing; add it: {wanted}", self.place)
        value = shown(self.values[column])
        return TraceError(self.path, f"column {column!r} is {value}; it must be {wanted}", self.place)

    def has(self, column: str) -> bool:
        """Whether the column is there and not empty."""
        return self.values.get(column) not in (None, "")

    def tokens(self, column: str, least: int = 1) -> int:
        """A number of tokens, at least `least`."""
        value = self.whole(column)
        if not least <= value <= MOST_TOKENS:
            raise self.problem(column, f"a whole number of tokens from {least} to {MOST_TOKENS}")
        return value

    def whole(self, column: str) -> int:
        """A whole number."""
        value = self.values.get(column)
        if type(value) is int:
            return value
        number = _number(value)
        if number is None or not number.is_integer():
            raise self.problem(column, "a whole number")
        return int(number)

    def seconds(self, column: str, units_per_s: float = 1.0) -> float:
        """A time or duration of at least 0, in seconds; `units_per_s`: 1000 for a column in milliseconds."""
        number = _number(self.values.get(column))
        if number is None or not 0.0 <= number / units_per_s <= MOST_SECONDS:
            raise self.problem(column, "a finite time, 0 or more")
        return number / units_per_s

    def timestamp_s(self, column: str) -> float:
        """A date and time in ISO format, in seconds since 1970 (without a zone: as if in UTC)."""
        value = self.values.get(column)
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(self.text(column))
            epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
            return (moment - epoch).total_seconds()
        except (ValueError, OverflowError):
            raise self.problem(column, "a date and time like 2023-11-16 18:15:46.6805900") from None

    def text(self, column: str) -> str:
        """Text that is not empty; a number is taken as text."""
        value = self.values.get(column)
        if isinstance(value, str | int | float) and str(value):
            return str(value)
        raise self.problem(column, "text")

    def whole_numbers(self, column: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self.values.get(column)
        if not isinstance(value, list) or not all(type(item) is int for item in value):
            raise self.problem(column, "a list of whole numbers")
        return tuple(value)

    def rows(self, column: str) -> list["Row"]:
        """A list of objects, each as a row of its own."""
        value = self.values.get(column)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.problem(column, "a list of objects")
        return [Row(self.path, f"{self.place}, {column}[{index}]", item) for index, item in enumerate(value)]


def _number(value: object) -> float | None:
    """A finite number, also where it is written as text; else None."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
