"""What a session is about to use again stays cached, as long as its gaps usually last."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import chain, islice
from typing import ClassVar

from weft.contracts.events import Event, RequestArrived, RequestEnded
from weft.contracts.policies import BlocksCached
from weft.policies.block_listener import BlockListener
from weft.policies.gap_prediction import GapPredictor


class SessionAware(BlockListener):
    """Least recently used first, but blocks of a session that is expected back, such as an agent's whose tool runs,
    are kept until nine of ten such gaps would be over; from then on they are the first to go (a time to live per pause
    as in Li et al., Continuum, arXiv 2511.02230; here learned from gaps alone, per tenant). Where nothing else is left,
    those go first whose session is expected last. A block belongs to the session that cached it.
    """

    observes: ClassVar[tuple[type, ...]] = (BlocksCached, RequestArrived, RequestEnded)

    def __init__(self) -> None:
        self._gaps = GapPredictor()
        self._free = OrderedDict[int, None]()
        self._idle_of: dict[str, dict[int, None]] = {}
        self._until_s: dict[str, float] = {}
        self._expiries: list[tuple[float, str]] = []
        self._session_of: dict[int, str | None] = {}

    def cached(self, event: BlocksCached) -> None:
        self._session_of.update(dict.fromkeys(event.blocks, event.request.session))

    def idled(self, blocks: Sequence[int]) -> None:
        for block in blocks:
            session = self._session_of[block]
            if session is not None:
                self._idle_of.setdefault(session, {})[block] = None
            if session is None or session not in self._until_s:
                self._free[block] = None

    def reused(self, block: int) -> None:
        self._free.pop(block, None)
        session = self._session_of[block]
        if session is not None:
            blocks = self._idle_of[session]
            del blocks[block]
            if not blocks:
                del self._idle_of[session]

    def evicted(self, block: int) -> None:
        self.reused(block)
        del self._session_of[block]

    def heard(self, event: Event) -> None:
        self._expire(event.time_s)
        if isinstance(event, RequestArrived):
            self._on_arrival(event)
        elif isinstance(event, RequestEnded):
            self._on_end(event)

    def _on_arrival(self, event: RequestArrived) -> None:
        self._gaps.arrived(event)
        if event.session is not None and self._until_s.pop(event.session, None) is not None:
            self._free.update(self._idle_of.get(event.session, {}))

    def _on_end(self, event: RequestEnded) -> None:
        pause = self._gaps.ended(event)
        if pause is not None and pause.until_s is not None:
            self._until_s[pause.session] = pause.until_s
            heappush(self._expiries, (pause.until_s, pause.session))
            for block in self._idle_of.get(pause.session, ()):
                self._free.pop(block, None)

    def _expire(self, now_s: float) -> None:
        while self._expiries and self._expiries[0][0] < now_s:
            until_s, session = heappop(self._expiries)
            if self._until_s.get(session) == until_s:
                del self._until_s[session]
                self._put_first(list(self._idle_of.get(session, ())))

    def _put_first(self, blocks: list[int]) -> None:
        for block in reversed(blocks):
            self._free[block] = None
            self._free.move_to_end(block, last=False)

    def decide(self, count: int) -> Sequence[int]:
        if count <= len(self._free):
            return list(islice(self._free, count))
        return list(islice(chain(self._free, self._kept()), count))

    def _kept(self) -> Iterable[int]:
        sessions = sorted(self._until_s, key=lambda session: (-self._until_s[session], session))
        return chain.from_iterable(self._idle_of.get(session, ()) for session in sessions)
