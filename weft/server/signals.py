"""How a server is told to stop, also where its event loop hangs: a thread of its own listens."""

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import suppress

from weft.server.state import Phase, ServerState

NUMBERS = (signal.SIGINT, signal.SIGTERM)
RESTART = signal.SIGHUP


def stop_on_signals(state: ServerState, most_s: float) -> None:
    """SIGTERM and SIGINT drain; where the process is still there after `most_s`, it ends with code 1. A second one
    ends it at once, and so does the first while the model is being loaded. SIGHUP restarts replicas in turn.
    Only for the main thread, on its loop."""
    listening, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in (*NUMBERS, RESTART):
        signal.signal(number, lambda *_: None)  # or it would end the process
    listener = _Listener(state, asyncio.get_running_loop(), listening, told, most_s)
    threading.Thread(target=listener.listen, name="weft-signals", daemon=True).start()


class _Listener:
    def __init__(
        self,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        told: socket.socket,
        most_s: float,
    ) -> None:
        self._state, self._loop, self._most_s = state, loop, most_s
        self._listening, self._told = listening, told

    def listen(self) -> None:
        """Never returns."""
        if self._next() and self._state.phase is Phase.LOADING:
            _leave(
                0
            )  # nothing is under way, and a checkpoint that is half read cannot be interrupted otherwise
        self._loop.call_soon_threadsafe(self._state.drain)
        self._listening.settimeout(self._most_s)
        with suppress(TimeoutError):
            _leave(128 + self._next())
        _leave(1)

    def _next(self) -> int:
        while (number := self._listening.recv(1)[0]) not in NUMBERS:
            if number == RESTART:
                self._loop.call_soon_threadsafe(self._state.restart)
        return number


def _leave(code: int) -> None:
    """End the process without waiting for threads."""
    with suppress(Exception):  # somebody may be in the middle of writing
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
