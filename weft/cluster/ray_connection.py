"""The connection of this process to Ray: to an instance that runs, or to one that is started on this machine."""

import logging
import os
import signal
import socket
import threading
from types import ModuleType

from weft.contracts.errors import ConfigurationError

CONNECT_S = 30.0
"""How long Ray may take to start or to be joined; on two busy processors it starts in 7 s."""

ANSWER_S = 3.0
"""How long an address may take to accept a connection. Ray itself asks for 40 s, and ends the process then."""

MOST_OBJECT_BYTES = 256 << 20
"""Of the store of objects of an instance of our own; only frames of 100 KB or more pass through it."""


def ray_module() -> ModuleType:
    """Raises `ConfigurationError` where Ray is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tell nobody what is run here
    make_record = logging.getLogRecordFactory()
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise ConfigurationError(f"Ray is not installed ({error}); pip install 'weft[cluster]'") from error
    finally:
        logging.setLogRecordFactory(
            make_record
        )  # Ray's reads clocks, which no simulation in this process may
    return ray


class RayConnection:
    """Joins the instance at an address ("HOST:PORT", or "auto" for the one on this machine); None starts one here.

    Blocks for some seconds. Raises `ConfigurationError` where that cannot be done. To be made on the main thread, or
    signals to end find Ray's answer to them. There can be one at a time. What actors write Ray prints, some of it to
    standard output.
    """

    def __init__(self, address: str | None = None) -> None:
        self._ray = ray_module()
        if address is not None:
            _check(address)
        self._has_joined, self._is_left = threading.Event(), threading.Event()
        self._problem: BaseException | None = None
        # What Ray starts ends with the thread that started it, and Ray may never come back from joining.
        threading.Thread(target=self._stay, args=(address,), daemon=True, name="ray").start()
        has_answered = self._has_joined.wait(CONNECT_S)
        _take_signals_back()
        where = "be started here" if address is None else f"be joined at {address}"
        if not has_answered:
            raise ConfigurationError(f"Ray could not {where} within {CONNECT_S:g} s; is that its head?")
        if self._problem is not None:
            raise ConfigurationError(f"Ray could not {where}: {_line_of(self._problem)}")

    def _stay(self, address: str | None) -> None:
        here = {
            "num_cpus": len(os.sched_getaffinity(0)),
            "object_store_memory": MOST_OBJECT_BYTES,
            "include_dashboard": False,
        }
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            settings = here if address is None else {"address": address}
            self._ray.init(configure_logging=False, **settings)
        except (Exception, SystemExit) as problem:
            self._problem = problem
        self._has_joined.set()
        self._is_left.wait()

    def close(self) -> None:
        """Leave; an instance that was started here ends."""
        self._ray.shutdown()
        self._is_left.set()


def _take_signals_back() -> None:
    """Ray has its own answer to them, which prints where the process was and ends it."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.getsignal(number))


def _check(address: str) -> None:
    """Ray takes long to find out that nobody is there."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ConfigurationError(
            f"{address!r} is no address of a Ray instance; give HOST:PORT of its head, as 127.0.0.1:6379, or auto"
        )
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"no Ray instance answers at {address}: {error}; start one with ray start --head, or give its address"
        ) from error


def _line_of(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}".splitlines()[0]
