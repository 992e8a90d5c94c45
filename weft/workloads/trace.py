"""Workloads that were recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from weft.workloads.arrivals import poisson
from weft.workloads.errors import TraceError, WorkloadError, shown
from weft.workloads.formats import FORMATS
from weft.workloads.formats.format import Encode, TraceFormat
from weft.workloads.reading.row import Row
from weft.workloads.reading.row_files import read_rows
from weft.workloads.sessions import Session


@dataclass(frozen=True, slots=True)
class TraceWorkload:
    """A file in one of `formats.FORMATS`, read anew, row by row, for each iteration.

    The first request arrives at 0. `untimed_rate_per_s`: of the Poisson arrivals that a file without times
    is given (by `seed`). `encode`: for files of text. Raises `TraceError` for a file or row that cannot be read.
    """

    path: Path
    untimed_rate_per_s: float | None = None
    encode: Encode | None = None
    seed: int = 0
    format: TraceFormat = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "format", _recognised(self.path))
        if not self.is_timed and self.untimed_rate_per_s is None:
            raise TraceError(self.path, "it tells no times of arrival; give a rate in requests/s")

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_timed(self) -> bool:
        """Whether the file tells when requests arrive."""
        return self.format.arrival_s is not None

    def sessions(self) -> Iterator[Session]:
        sessions = self._timed() if self.is_timed else self._untimed()
        first = next(sessions, None)
        if first is None:
            raise TraceError(self.path, "no request in it can be used; give a trace with at least one")
        return chain((first,), sessions)

    def _timed(self) -> Iterator[Session]:
        read_time = self.format.arrival_s
        assert read_time is not None
        first_s = last_s = None
        for number, (row, session) in enumerate(self._contents()):
            time_s = read_time(row)
            first_s = time_s if first_s is None else first_s
            if last_s is not None and time_s < last_s:
                raise TraceError(
                    self.path,
                    f"it arrives {last_s - time_s:g} s before the one above; sort by time",
                    row.place,
                )
            last_s = time_s
            yield session._replace(number=number, arrival_s=time_s - first_s)

    def _untimed(self) -> Iterator[Session]:
        assert self.untimed_rate_per_s is not None
        times_s = poisson(self.untimed_rate_per_s).times_s(self.seed)
        for number, (_, session) in enumerate(self._contents()):
            yield session._replace(number=number, arrival_s=next(times_s))

    def _contents(self) -> Iterator[tuple[Row, Session]]:
        for index, row in enumerate(read_rows(self.path)):
            content = self.format.content(row, index, self.encode)
            if content is not None:
                yield row, Session(index, 0.0, content.turns, content.client)


def _recognised(path: Path) -> TraceFormat:
    row = next(read_rows(path), None)
    if row is None:
        raise TraceError(path, "it has no rows; give a trace with at least one request")
    for known in FORMATS:
        if all(column in row.values for column in known.columns):
            return known
    formats = "; ".join(f"{known.name}: {', '.join(known.columns)}" for known in FORMATS)
    raise TraceError(
        path, f"columns {shown(list(row.values))} are of no known format; rename them to those of {formats}"
    )


def mean_rate_per_s(trace: TraceWorkload) -> float:
    """Requests per second from the first arrival to the last, by one pass over the file."""
    requests, last_s = 0, 0.0
    for session in trace.sessions():
        requests += len(tuple(session.turns))
        last_s = session.arrival_s
    if not last_s:
        raise WorkloadError(f"{trace.path}: all requests arrive at once, so that its rate cannot be changed")
    return requests / last_s
