"""Messages in their order, each once, over a fabric that may lose, double and overtake them.

The sender keeps what is not acknowledged and sends it again; the receiver waits for what is missing. Acknowledgements
travel with whatever goes the other way, heartbeats at least. A link belongs to one incarnation of a replica, so that
nothing that a former one said is ever taken for word of the present one.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from weft.cluster.messages import Frame
from weft.observation.conditions import sometimes

RESENT = sometimes("link: a message was sent again")
DOUBLED = sometimes("link: a message came twice")
OVERTAKEN = sometimes("link: a message came before an earlier one")

MOST_RESENT = 64
"""Messages that are sent again in one go: the first of them that arrive free the way for the others."""

MOST_EARLY = 1 << 12
"""Messages kept that came before an earlier one; beyond that they are dropped, and will be sent again."""


class _Posted:
    __slots__ = ("message", "number", "posted_s")

    def __init__(self, number: int, message: object, posted_s: float) -> None:
        self.number, self.message, self.posted_s = number, message, posted_s


class Link:
    """One end. `send` puts a frame on the fabric; `deliver` is told of each numbered message in order, and of others
    as they come."""

    def __init__(
        self, incarnation: int, send: Callable[[Frame], object], deliver: Callable[[object], object]
    ) -> None:
        self.incarnation = incarnation
        self._send, self._deliver = send, deliver
        self._loop = asyncio.get_running_loop()
        self._next_out = self._next_in = 1
        self._unacknowledged: deque[_Posted] = deque()
        self._early: dict[int, object] = {}
        self._resent_s, self._acknowledged = 0.0, 0
        self.is_closed = False

    def post(self, message: object) -> None:
        """Have a message delivered, once and after all posted before. One that the fabric refuses, which raises, was
        not posted."""
        if not self.is_closed:
            number = self._next_out
            self._put(number, message)
            self._next_out += 1
            self._unacknowledged.append(_Posted(number, message, self._loop.time()))

    def mention(self, message: object) -> None:
        """Send a message that may get lost."""
        if not self.is_closed:
            self._put(0, message)

    def acknowledge(self, message: object) -> None:
        """Say what has come, unless that was said before, with a message that may get lost."""
        if not self.is_closed and self._acknowledged != self._next_in - 1:
            self._put(0, message)

    def _put(self, number: int, message: object) -> None:
        self._acknowledged = self._next_in - 1
        self._send(Frame(self.incarnation, number, self._acknowledged, message))

    def receive(self, frame: Frame) -> None:
        """Take in a frame of this incarnation."""
        waiting = self._unacknowledged
        while waiting and waiting[0].number <= frame.acknowledged:
            waiting.popleft()
        if frame.number == self._next_in:
            self._take(frame.message)
        elif frame.number == 0:
            self._deliver(frame.message)
        elif frame.number < self._next_in:
            DOUBLED.hit()
        elif len(self._early) < MOST_EARLY:
            OVERTAKEN.hit()
            self._early[frame.number] = frame.message

    def _take(self, message: object) -> None:
        self._next_in += 1
        self._deliver(message)
        while not self.is_closed and self._next_in in self._early:
            message = self._early.pop(self._next_in)
            self._next_in += 1
            self._deliver(message)

    def resend(self, after_s: float) -> None:
        """Send again what has not been acknowledged for so long."""
        now_s = self._loop.time()
        if self._unacknowledged and now_s - max(self._resent_s, self._unacknowledged[0].posted_s) >= after_s:
            self._resent_s = now_s
            for posted in list(self._unacknowledged)[:MOST_RESENT]:
                RESENT.hit()
                self._put(posted.number, posted.message)

    @property
    def oldest_unacknowledged(self) -> int:
        """The number of the oldest message that waits for its acknowledgement; 0 where none does."""
        return self._unacknowledged[0].number if self._unacknowledged else 0

    @property
    def num_posted(self) -> int:
        """Messages so far."""
        return self._next_out - 1

    def unacknowledged(self) -> list[object]:
        """What was posted, and may not have come yet."""
        return [posted.message for posted in self._unacknowledged]

    @property
    def num_early(self) -> int:
        """Messages that wait for an earlier one."""
        return len(self._early)

    def close(self) -> None:
        """Say and hear nothing any more."""
        self.is_closed = True
        self._unacknowledged.clear()
        self._early.clear()
