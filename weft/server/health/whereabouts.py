"""What a thread is doing, in a form that may be told to anybody: names of functions, no paths and no values."""

import sys
from collections.abc import Iterator
from types import FrameType

MOST_SHOWN = 120
MOST_CALLERS = 6
OURS = "weft."


def whereabouts(thread_id: int | None) -> str:
    """The function that a thread is in, and those that led there from the nearest of ours."""
    frame = None if thread_id is None else sys._current_frames().get(thread_id)
    if frame is None:
        return "nowhere: its thread has ended"
    return ", called by ".join(_names(frame))


def _names(innermost: FrameType) -> Iterator[str]:
    frame: FrameType | None = innermost
    for _ in range(MOST_CALLERS):
        if frame is not None:
            module = str(frame.f_globals.get("__name__"))
            yield ascii(f"{module}.{frame.f_code.co_qualname}")[1:-1][:MOST_SHOWN]
            frame = None if module.startswith(OURS) else frame.f_back
