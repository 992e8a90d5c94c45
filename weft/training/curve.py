"""The curve of a run as a CSV file: one line per record, each as soon as it is there."""

import csv
from dataclasses import fields
from pathlib import Path

from weft.training.trainer import Record


class Curve:
    """Appends to `path`. Of an earlier part of the run only lines up to `steps_done` stay: what came after the
    checkpoint comes again."""

    def __init__(self, path: Path, steps_done: int) -> None:
        self._path = path
        if path.exists():
            self._rewrite([row for row in read_curve(path) if int(row["step"]) <= steps_done])

    def add(self, record: Record) -> None:
        """One more line; a heading before the first."""
        row = curve_row(record)
        with self._path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        partial = self._path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8", newline="") as file:
            if rows:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        partial.replace(self._path)


def read_curve(path: Path) -> list[dict[str, str]]:
    """The lines, by the names in the heading. A last line that a killed run left half written is left out."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def curve_row(record: Record) -> dict[str, float]:
    """Columns: step, tokens so far, seconds, loss, and each number of the evaluation."""
    row = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "evaluation"}
    return {**row, **record.evaluation}
