"""Raising (or lowering) the load of a recorded trace.

Measured traces rarely have the load that is to be studied. Four ways to change it, of which the first keeps
the temporal pattern; the others are those in use that it was compared with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from weft.workloads.arrivals import uniform_times
from weft.workloads.checks import check_positive
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Session, Workload
from weft.workloads.streams import named_stream

WINDOW_S = 60.0
JITTER_S = 1.0


def upscaled(workload: Workload, factor: float, random: Random) -> Iterator[Session]:
    """TraceUpscaler (Sajal et al., EuroSys 2024): times apart from contents.

    Each time of arrival is used `factor` times (the fraction by chance), and the contents follow in their
    own order, each once. So bursts and lulls stay when they were and grow in proportion, and the sequence
    of requests, with what they share, is untouched. As many requests as before come in 1/`factor` of the time.
    Below 1 some times are left out.
    """
    contents = workload.sessions()
    for timed in workload.sessions():
        for _ in range(_copies(factor, random)):
            content = next(contents, None)
            if content is None:
                return
            yield content._replace(arrival_s=timed.arrival_s)


def squeezed(workload: Workload, factor: float, _random: Random) -> Iterator[Session]:
    """All times divided by the factor. Patterns are compressed with them: a burst of a minute becomes shorter."""
    return (session._replace(arrival_s=session.arrival_s / factor) for session in workload.sessions())


def replicated(workload: Workload, factor: float, random: Random) -> Iterator[Session]:
    """Each request `factor` times, each copy up to a second later. Contents repeat, so caches profit unduly."""
    pending: list[tuple[float, int, Session]] = []
    number = 0
    for session in workload.sessions():
        while pending and pending[0][0] <= session.arrival_s:
            yield _popped(pending)
        for copy in range(_copies(factor, random)):
            time_s = session.arrival_s + (JITTER_S * random.random() if copy else 0.0)
            heappush(pending, (time_s, number, session))
            number += 1
    while pending:
        yield _popped(pending)


def averaged(workload: Workload, factor: float, random: Random) -> Iterator[Session]:
    """The count of each minute times the factor, as a Poisson process of contents drawn from that minute.

    What happens inside a minute (bursts, order, sharing) is lost.
    """
    window: list[Session] = []
    index = 0
    for session in workload.sessions():
        if session.arrival_s >= (index + 1) * WINDOW_S:
            yield from _resampled(window, index, factor, random)
            window, index = [], int(session.arrival_s // WINDOW_S)
        window.append(session)
    yield from _resampled(window, index, factor, random)


def _copies(factor: float, random: Random) -> int:
    whole = int(factor)
    return whole + (random.random() < factor - whole)


def _popped(pending: list[tuple[float, int, Session]]) -> Session:
    time_s, _, session = heappop(pending)
    return session._replace(arrival_s=time_s)


def _resampled(window: list[Session], index: int, factor: float, random: Random) -> Iterator[Session]:
    number = _copies(len(window) * factor, random)
    for time_s in uniform_times(random, index * WINDOW_S, WINDOW_S, number):
        yield random.choice(window)._replace(arrival_s=time_s)


METHODS: dict[str, Callable[[Workload, float, Random], Iterator[Session]]] = {
    "traceupscaler": upscaled,
    "squeeze": squeezed,
    "replicate": replicated,
    "average-rate": averaged,
}


@dataclass(frozen=True, slots=True)
class Scaled:
    """A workload with its load times `factor`, by one of `METHODS`. It must end."""

    workload: Workload
    factor: float
    method: str = "traceupscaler"
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive("the factor of the load", self.factor)
        if self.method not in METHODS:
            raise WorkloadError(f"method {self.method!r} is unknown; choose from {', '.join(METHODS)}")

    @property
    def name(self) -> str:
        return f"{self.workload.name} x {self.factor:g} ({self.method})"

    def sessions(self) -> Iterator[Session]:
        random = named_stream(self.seed, f"scaling by {self.method}")
        scaled = METHODS[self.method](self.workload, self.factor, random)
        return (session._replace(number=number) for number, session in enumerate(scaled))
