"""Virtual time: an asyncio event loop on which code that serves runs unchanged, and sleeping costs nothing.

When nothing is runnable, time jumps to the next timer. Callbacks run in the order (time, sequence of
scheduling), whatever the hash seed and the addresses. Time is integer nanoseconds from 0; durations are
rounded to it, half to even. What the loop cannot see it can neither order nor forbid:
- Code that runs here must not read the real clock (`time.time`, `datetime.now`): a test greps for it.
- `asyncio.as_completed` starts bare coroutines by address, as the end closes generators: pass tasks, close.
- While a timer is left there is no deadlock: bound a run with `asyncio.timeout(horizon_s)`, virtual too.
"""

# mypy: disable-error-code="explicit-override"
import asyncio
import contextlib
import functools
import gc
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextvars import copy_context
from typing import Any, NoReturn, TypeAlias, TypeVar, TypeVarTuple

from weft.contracts.errors import WeftError
from weft.simulator.agenda import Agenda, CrowdedInstantError, Handle, NothingDueError

Result = TypeVar("Result")
Ts = TypeVarTuple("Ts")
Callback: TypeAlias = Callable[[*Ts], object]

_FEW = 64
_VIRTUAL = "_|call_|close|create_(fut|task)|default_|get_|is_|run_[fu]|set_debug|set_exc|shutdown_|stop|time"
_LINKS = ("cr_await", "gi_yieldfrom", "ag_await")
_ADVICE = "charge time with asyncio.sleep, send through the simulated fabric, model other processes as tasks"


class SimulationError(WeftError):
    """A simulation cannot go on; or tasks or callbacks failed in it and nobody looked."""


class SimulationDeadlock(SimulationError):
    """Nothing is runnable and no timer is set. Lists the open tasks, oldest first, and what they await."""


class SimulationLivelock(SimulationError):
    """Callbacks keep running at one instant: something polls instead of awaiting an event or a time."""


class SimulationForbidden(SimulationError):
    """Simulated code asked the loop for a thread, socket, process or signal."""


class _Task(asyncio.Task[Result]):
    """A task that hashes by its number: TaskGroup cancels in set order, which must not follow addresses."""

    def __init__(self, number: int, coroutine: Any, name: Any, **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, name=name or f"Task-{number}", **options)

    def __hash__(self) -> int:
        return self._number


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """A deterministic event loop with a virtual clock; `asyncio.Runner` takes it as its `loop_factory`.

    A callback due now or earlier queues behind those that are ready. Raises SimulationLivelock beyond
    `max_callbacks_per_instant` callbacks at one time, SimulationDeadlock where it would wait for ever,
    SimulationForbidden for threads, sockets, processes and signals, ValueError for a time that is not finite.
    """

    def __init__(self, *, max_callbacks_per_instant: int = 10_000_000) -> None:
        super().__init__()
        self.agenda = Agenda(max_callbacks_per_instant, self._callback_failed)
        self._max_callbacks_per_instant = max_callbacks_per_instant
        self._num_tasks = 0
        self._tasks: list[_Task[Any]] = []
        self._prune_tasks_at = _FEW
        self._failed_callbacks: list[tuple[str, BaseException]] = []

    def time(self) -> float:
        """Return the virtual time in seconds, exact to the nanosecond for the first 48 days."""
        return self.agenda.now_s

    def call_soon(self, callback: Callback[*Ts], *args: *Ts, context: Any = None) -> Any:
        self._refuse_if_closed()
        return self.agenda.call_soon(callback, args, copy_context() if context is None else context)

    def call_later(self, delay: float, callback: Callback[*Ts], *args: *Ts, context: Any = None) -> Any:
        return self._call_at_ns(self.agenda.now_ns + _nanoseconds(delay), callback, args, context)

    def call_at(self, when: float, callback: Callback[*Ts], *args: *Ts, context: Any = None) -> Any:
        return self._call_at_ns(_nanoseconds(when), callback, args, context)

    def _call_at_ns(self, when_ns: int, callback: Any, args: Any, context: Any) -> Handle:
        self._refuse_if_closed()
        context = copy_context() if context is None else context
        return self.agenda.call_at_ns(when_ns, callback, args, context)

    def _refuse_if_closed(self) -> None:
        if self.is_closed():
            raise RuntimeError("the event loop is closed")

    def call_soon_threadsafe(self, callback: Callback[*Ts], *args: *Ts, context: Any = None) -> Any:
        if self.is_running() and asyncio._get_running_loop() is not self:
            raise SimulationForbidden("call_soon_threadsafe() from another thread: virtual time has only one")
        return self.call_soon(callback, *args, context=context)

    def create_task(self, coro: Any, *, name: object = None, context: Any = None) -> asyncio.Task[Any]:
        self._num_tasks += 1
        task: _Task[Any] = _Task(self._num_tasks, coro, name, loop=self, context=context)
        # Kept strongly, or the garbage collector would decide when a forgotten task ends and a failure shows.
        self._tasks.append(task)
        if len(self._tasks) > self._prune_tasks_at:
            self._tasks = self._open_tasks()
            self._prune_tasks_at = 2 * len(self._tasks) + _FEW
        return task

    def _open_tasks(self) -> list[_Task[Any]]:
        return [task for task in self._tasks if not task.done() or task._log_traceback]

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        super().default_exception_handler(context)
        if error := context.get("exception"):
            self._failed_callbacks.append((context["message"], error))

    def _callback_failed(self, handle: Handle, error: BaseException) -> None:
        self.call_exception_handler(
            {"message": f"Exception in callback {handle.callback!r}", "exception": error}
        )

    def stop(self) -> None:
        """As asyncio promises, callbacks that are ready at this moment still finish."""
        super().stop()
        self.agenda.is_stopping = True

    def close(self) -> None:
        super().close()
        self.agenda.clear()

    def _run_once(self) -> None:
        try:
            self.agenda.run()
        except NothingDueError:
            raise SimulationDeadlock(f"nothing is runnable and no timer is set at {self._state()}") from None
        except CrowdedInstantError:
            limit = self._max_callbacks_per_instant
            raise SimulationLivelock(f"max_callbacks_per_instant={limit} passed at {self._state()}") from None
        finally:
            self.agenda.is_stopping = False

    def _state(self) -> str:
        return f"{self.time():.9f} s; open tasks:" + "".join(map(_describe, self._open_tasks()))

    def _end_tasks(self) -> None:
        while pending := [task for task in self._tasks if not task.done()]:
            for task in pending:
                with contextlib.suppress(RecursionError):  # tasks that await each other: a deadlock below
                    task.cancel()
            self.run_until_complete(asyncio.wait(pending))
        self.run_until_complete(self.shutdown_asyncgens())

    def _raise_failures(self) -> None:
        failed = [task for task in self._open_tasks() if task.done()]
        named = [(f"task {task.get_name()!r}", task.exception()) for task in failed]
        if failures := [*self._failed_callbacks, *named]:
            lines = "".join(f"\n  {who}: {error!r}" for who, error in failures)
            raise SimulationError(f"failed in the background, and nobody looked:{lines}") from failures[0][1]


def run(main_coroutine: Coroutine[Any, Any, Result], *, loop: VirtualTimeLoop | None = None) -> Result:
    """Run a coroutine as the task "main" on `loop` or a fresh one, cancel what it leaves, close the loop.

    Leftover tasks are cancelled in creation order. Raises what the coroutine and VirtualTimeLoop raise;
    SimulationError where a task or callback failed unseen; RuntimeError inside a running event loop.
    """
    if asyncio._get_running_loop() is not None:
        main_coroutine.close()
        raise RuntimeError("run() was called from a running event loop: await the coroutine there instead")
    loop = VirtualTimeLoop() if loop is None else loop
    with contextlib.closing(loop):
        try:
            result: Result = loop.run_until_complete(loop.create_task(main_coroutine, name="main"))
        finally:
            loop._end_tasks()
        loop._raise_failures()
        return result


def running_agenda() -> Agenda:
    """That of the running loop. Raises `SimulationError` where that is not one of virtual time."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise SimulationError(f"this runs in virtual time only, and not on {loop!r}; use virtual_time.run")
    return loop.agenda


def _nanoseconds(time_s: float) -> int:
    try:
        return round(time_s * 1e9)
    except (ValueError, OverflowError):
        raise ValueError(f"a time must be a finite number of seconds, got {time_s!r}") from None


def _describe(task: asyncio.Task[Any]) -> str:
    awaited = getattr(task, "_fut_waiter", None)
    state = f"awaits {type(awaited).__name__.strip('_')}" if awaited else "is ready to run"
    if task.done():
        state = f"failed: {task._exception!r}"
    elif isinstance(awaited, asyncio.Task):
        state = f"awaits task {awaited.get_name()!r}"
    return f"\n  {task.get_name()!r}: {' > '.join(_frames(task.get_coro()))} {state}"


def _frames(awaitable: object) -> Iterator[str]:
    """Yield function and place of each suspended frame, from a task's coroutine to the innermost."""
    while awaitable is not None:
        link = next((link for link in _LINKS if hasattr(awaitable, link)), "")
        if frame := getattr(awaitable, f"{link[:2]}_frame", None):
            yield f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        # What anext() returns shows only the collector which generator it drives.
        generators = (it for it in gc.get_referents(awaitable) if isinstance(it, AsyncGenerator))
        awaitable = getattr(awaitable, link) if link else next(generators, None)


def _refuse(_loop: object, name: str, *_arguments: object, **_options: object) -> NoReturn:
    raise SimulationForbidden(f"{name}() is not available in virtual time: {_ADVICE}")


for _name in dir(asyncio.AbstractEventLoop):
    if not re.match(_VIRTUAL, _name):
        setattr(VirtualTimeLoop, _name, functools.partialmethod(_refuse, _name))
