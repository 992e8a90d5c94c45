"""An end in good order at Ctrl-C or SIGTERM: the step is finished first."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """`signal_number`: of the signal that came, or None. A second one does at once what it does by default."""

    signal_number: int | None = None


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch the signals while this lasts. Outside the main thread none can be caught, and none is."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, _frame: FrameType | None) -> None:
        request.signal_number = number
        _put_back(before)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        _put_back(before)


def _put_back(handlers: Mapping[signal.Signals, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
