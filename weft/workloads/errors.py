"""Errors about workloads."""

from pathlib import Path

from weft.contracts.errors import WeftError

MOST_SHOWN_CHARACTERS = 60


class WorkloadError(WeftError):
    """A workload is unknown, or was asked for something that it cannot give."""


class TraceError(WorkloadError):
    """A trace file cannot be read. Names the file, the line (or item) and the column where there are such."""

    def __init__(self, path: Path, problem: str, place: str = "") -> None:
        super().__init__(f"{path}{f', {place}' if place else ''}: {problem}")
        self.path = path
        self.place = place


def shown(value: object) -> str:
    """A value as it goes into a message: quoted, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN_CHARACTERS else f"{text[:MOST_SHOWN_CHARACTERS]}…"
