"""How long sessions pause between an answer and their next request, learned from those that came back."""

from bisect import bisect_right, insort
from collections import deque
from typing import NamedTuple

from weft.contracts.events import RequestArrived, RequestEnded

MOST_REMEMBERED = 64
"""Gaps of a tenant: the newest."""
LEAST_REMEMBERED = 4
SHARE = 0.9
"""Of gaps, as long as these or shorter: a session that has paused longer is not waited for."""
MOST_SESSIONS = 1 << 16
"""That have ended a request and not come back; beyond, the oldest are forgotten."""


class _Gaps:
    """The newest gaps of a tenant, in order of time and of length."""

    def __init__(self) -> None:
        self._newest = deque[float]()
        self._sorted: list[float] = []

    def add(self, gap_s: float) -> None:
        if len(self._newest) == MOST_REMEMBERED:
            del self._sorted[bisect_right(self._sorted, self._newest.popleft()) - 1]
        self._newest.append(gap_s)
        insort(self._sorted, gap_s)

    @property
    def most_s(self) -> float | None:
        if len(self._sorted) < LEAST_REMEMBERED:
            return None
        return self._sorted[int(SHARE * (len(self._sorted) - 1))]


class Pause(NamedTuple):
    """A session waits for its client: it is expected back by `until_s`, None where nothing is known."""

    session: str
    until_s: float | None


class GapPredictor:
    """Per tenant, from the event log."""

    def __init__(self) -> None:
        self._gaps: dict[str, _Gaps] = {}
        self._live: dict[str, tuple[str, str]] = {}
        self._left_s: dict[str, float] = {}

    def arrived(self, event: RequestArrived) -> None:
        """A session's next request is here."""
        if event.session is None:
            return
        self._live[event.request_id] = (event.tenant, event.session)
        left_s = self._left_s.pop(event.session, None)
        if left_s is not None:
            self._gaps.setdefault(event.tenant, _Gaps()).add(event.time_s - left_s)

    def ended(self, event: RequestEnded) -> Pause | None:
        """A request has ended; the pause that begins, None where it named no session."""
        known = self._live.pop(event.request_id, None)
        if known is None:
            return None
        tenant, session = known
        if session not in self._left_s and len(self._left_s) == MOST_SESSIONS:
            del self._left_s[next(iter(self._left_s))]
        self._left_s[session] = event.time_s
        most_s = self._gaps[tenant].most_s if tenant in self._gaps else None
        return Pause(session, None if most_s is None else event.time_s + most_s)
