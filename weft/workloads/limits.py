"""The beginning of a workload: so many requests, or so many seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from weft.workloads.checks import check_at_least, check_positive
from weft.workloads.sessions import Session, Workload


@dataclass(frozen=True, slots=True)
class Limited:
    """Sessions that arrive before `duration_s`, up to `num_requests` requests; None sets no bound.

    The turns of a session count when it arrives; the last session is cut where it has too many.
    """

    workload: Workload
    num_requests: int | None = None
    duration_s: float | None = None

    def __post_init__(self) -> None:
        if self.num_requests is not None:
            check_at_least("the number of requests", self.num_requests, 1)
        if self.duration_s is not None:
            check_positive("the duration in seconds", self.duration_s)

    @property
    def name(self) -> str:
        return self.workload.name

    def sessions(self) -> Iterator[Session]:
        left = inf if self.num_requests is None else self.num_requests
        end_s = inf if self.duration_s is None else self.duration_s
        for session in self.workload.sessions():
            if session.arrival_s >= end_s:
                return
            turns = tuple(session.turns)
            yield session if len(turns) <= left else session._replace(turns=turns[: int(left)])
            left -= len(turns)
            if left <= 0:
                return
