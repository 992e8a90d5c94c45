"""Keeps simulated code from the real clock, from threads and from sockets: who reaches for one is named.

`VirtualTimeLoop` refuses what goes through the loop; this refuses what goes around it.
"""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from weft.simulator.virtual_time import SimulationForbidden, VirtualTimeLoop

_CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")
_CLOCK_ADVICE = "take asyncio.get_running_loop().time(), and wait with asyncio.sleep"
_WORLD_ADVICE = "model it as a task in virtual time"


@contextmanager
def no_real_world() -> Iterator[None]:
    """Until it is left, code that runs on a virtual-time loop gets `SimulationForbidden` from the functions of
    `time` and from starting threads and sockets.

    The standard library may read the clock (logging does), and other threads may do as they like. A function that
    was imported by name before (`from time import monotonic`) cannot be caught; a test greps this package for those.
    """
    with ExitStack() as restored:
        for name in _CLOCKS:
            _replace(restored, time, name, _guarded_clock(name, getattr(time, name)))
        for owner, name in ((threading.Thread, "start"), (socket.socket, "__init__")):
            _replace(restored, owner, name, _guarded(owner, name))
        yield


def _replace(restored: ExitStack, owner: object, name: str, guard: Callable[..., Any]) -> None:
    restored.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, guard)


def _guarded_clock(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*arguments: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        if _is_simulated() and caller.partition(".")[0] not in sys.stdlib_module_names:
            raise SimulationForbidden(
                f"{caller} calls time.{name}(), the real clock, in a simulation; {_CLOCK_ADVICE}"
            )
        return read(*arguments)

    return guarded


def _guarded(owner: type, name: str) -> Callable[..., Any]:
    action = getattr(owner, name)

    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        if _is_simulated():
            raise SimulationForbidden(
                f"a {owner.__name__.lower()} is started in a simulation; {_WORLD_ADVICE}"
            )
        return action(self, *arguments, **options)

    return guarded


def _is_simulated() -> bool:
    return isinstance(asyncio._get_running_loop(), VirtualTimeLoop)
