"""Health beside an event loop that hangs.

Everything that answers runs on one event loop, and a policy or a defect of ours that never returns stops it. A thread
listens to the loop's heartbeat. Where that is missing, it answers in its place, on the same socket, and names the
function in which the loop hangs; when the heart beats again it stops doing so.
"""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable

from weft.server.error_formats import MESSAGES_PATH
from weft.server.errors import SERVER
from weft.server.health.whereabouts import whereabouts
from weft.server.http.stand_in import Answer, StandIn

log = logging.getLogger("weft.server")

BEAT_S = 0.25
UNREADY_AFTER_S = 2.0
"""Without a heartbeat. From then on the thread answers: not ready, but still healthy."""
UNHEALTHY_AFTER_S = 5.0


class Watchdog:
    """To be started and stopped on the loop that it watches. `silence_s`: for how long that has not beaten; time in
    which this thread could not run either, as when the machine sleeps, does not count."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="weft-watchdog", daemon=True)
        self._has_ended = threading.Event()
        self._num_beats = 0
        self._beating: asyncio.TimerHandle | None = None
        self.silence_s = 0.0

    def start(self) -> None:
        """Watch from now on."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Return once the thread has let go of the socket."""
        self._has_ended.set()
        if self._beating is not None:
            self._beating.cancel()
        self._thread.join()

    def _beat(self) -> None:
        self._num_beats += 1
        self._beating = self._loop.call_later(BEAT_S, self._beat)

    def _watch(self) -> None:
        while not self._has_ended.is_set():
            self._listen_for_beats(lambda seconds, _: self._has_ended.wait(seconds))
            if self.silence_s >= UNREADY_AFTER_S:
                self._stand_in()

    def _listen_for_beats(self, spend: Callable[[float, Callable[[], bool]], object]) -> None:
        """For a moment, which `spend` fills, sooner back once the loop has beaten."""
        num_beats, begun_s = self._num_beats, time.monotonic()
        spend(2 * BEAT_S, lambda: self._num_beats == num_beats)
        waited_s = min(time.monotonic() - begun_s, 4 * BEAT_S)
        self.silence_s = 0.0 if self._num_beats != num_beats else self.silence_s + waited_s

    def _stand_in(self) -> None:
        log.error("the event loop stands still, in %s", whereabouts(self._loop_thread))
        with StandIn(self._listener, self._answer) as stand_in:
            while self.silence_s and not self._has_ended.is_set():
                self._listen_for_beats(stand_in.serve)
        log.error("the event loop goes on")

    def _answer(self, path: str) -> Answer:
        is_healthy = self.silence_s < UNHEALTHY_AFTER_S
        if path == "/health":
            where = whereabouts(self._loop_thread)
            status = f"the event loop has stood still for {self.silence_s:.0f} s, in {where}"
            return Answer(200 if is_healthy else 503, {"status": status})
        if path == "/ready":
            return Answer(503, {"status": "stalled"})
        message = "the server stands still; ask another, or try again later"
        if path.startswith(MESSAGES_PATH):
            return Answer(503, {"type": "error", "error": {"type": "overloaded_error", "message": message}})
        return Answer(503, {"error": {"message": message, "type": SERVER, "param": None, "code": "stalled"}})
