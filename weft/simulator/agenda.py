"""What is to run when: callbacks in the order (time, sequence of asking), on a clock that jumps to the next of them.

`VirtualTimeLoop` runs on it. Simulated parts that await nothing ask it themselves, past asyncio: that is cheaper.
"""

from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop, heappush

Action = Callable[..., object]

_FEW = 64


class NothingDueError(Exception):
    """The agenda is empty and nobody has stopped it."""


class CrowdedInstantError(Exception):
    """More callbacks ran at one time than may."""


class Handle:
    """A callback that will run, for whoever asked for it; asyncio takes it for one of its own handles."""

    __slots__ = ("_agenda", "args", "callback", "context", "is_cancelled", "is_timer", "when_s")

    def __init__(
        self,
        agenda: "Agenda",
        when_s: float,
        callback: Action,
        args: tuple[object, ...],
        context: Context | None,
    ) -> None:
        self._agenda = agenda
        self.when_s = when_s
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = self.is_timer = False

    def cancel(self) -> None:
        """Let it not run, unless it has."""
        if not self.is_cancelled:
            self.is_cancelled, self.callback, self.args = True, _do_nothing, ()
            if self.is_timer:
                self._agenda.note_cancelled()

    def cancelled(self) -> bool:
        """Whether it was."""
        return self.is_cancelled

    def when(self) -> float:
        """When it is due, in seconds."""
        return self.when_s

    def run(self) -> None:
        """Run it, in its context where it has one; whatever it raises is for the agenda to tell."""
        try:
            if self.context is not None:
                self.context.run(self.callback, *self.args)
            elif self.args:
                self.callback(*self.args)
            else:
                self.callback()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._agenda.failed(self, error)


class Agenda:
    """Times are whole nanoseconds from 0, `now_ns`, or seconds, which are rounded to them, half to even.

    A callback due now or earlier queues behind those that are ready. `is_stopping`: set, those that are ready are the
    last to run. `failed`: told of callbacks that raise.
    """

    def __init__(self, most_per_instant: int, failed: Callable[[Handle, BaseException], None]) -> None:
        self.now_ns = 0
        self.now_s = 0.0
        self.is_stopping = False
        self.failed = failed
        self._most_per_instant = most_per_instant
        self._ready: deque[Handle] = deque()
        self._times_ns: list[int] = []  # a heap
        self._due: dict[int, list[Handle]] = {}
        self._num_timers = self._num_cancelled = 0

    def call_soon(
        self, callback: Action, args: tuple[object, ...] = (), context: Context | None = None
    ) -> Handle:
        """Behind those that are ready."""
        handle = Handle(self, self.now_s, callback, args, context)
        self._ready.append(handle)
        return handle

    def call_at(self, time_s: float, callback: Action, args: tuple[object, ...] = ()) -> Handle:
        """At a time in seconds."""
        return self.call_at_ns(round(time_s * 1e9), callback, args)

    def call_at_ns(
        self, when_ns: int, callback: Action, args: tuple[object, ...] = (), context: Context | None = None
    ) -> Handle:
        """At a time in nanoseconds."""
        handle = Handle(self, when_ns / 1e9, callback, args, context)
        if when_ns > self.now_ns:
            handle.is_timer = True
            self._num_timers += 1
            if (due := self._due.get(when_ns)) is None:
                self._due[when_ns] = [handle]
                heappush(self._times_ns, when_ns)
            else:
                due.append(handle)
        else:
            self._ready.append(handle)
        return handle

    def note_cancelled(self) -> None:
        """One of the timers was: where most were, they are swept."""
        self._num_cancelled += 1
        if self._num_cancelled > max(_FEW, self._num_timers // 2):
            kept = {at: [each for each in due if not each.is_cancelled] for at, due in self._due.items()}
            self._due = {when_ns: due for when_ns, due in kept.items() if due}
            self._times_ns = list(self._due)
            heapify(self._times_ns)
            self._num_timers -= self._num_cancelled
            self._num_cancelled = 0

    def run(self) -> None:
        """Until it is stopped. Raises `NothingDueError` where it would wait for ever, `CrowdedInstantError`."""
        ready, num_callbacks = self._ready, 0
        while True:
            if not ready and not self.is_stopping:
                self._advance()
                num_callbacks = 0
            num_callbacks += len(ready)
            if num_callbacks > self._most_per_instant:
                raise CrowdedInstantError
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.is_cancelled:
                    handle.run()
            if self.is_stopping:
                return

    def _advance(self) -> None:
        ready = self._ready
        while not ready:
            if not self._times_ns:
                raise NothingDueError
            now_ns = heappop(self._times_ns)
            due = self._due.pop(now_ns)
            self._num_timers -= len(due)
            for handle in due:
                handle.is_timer = False
                if handle.is_cancelled:
                    self._num_cancelled -= 1
                else:
                    ready.append(handle)
        self.now_ns = now_ns
        self.now_s = now_ns / 1e9

    def pending(self) -> list[Handle]:
        """What is to run yet, those that are ready first, then timers by time."""
        timers = [handle for when_ns in sorted(self._due) for handle in self._due[when_ns]]
        return [handle for handle in (*self._ready, *timers) if not handle.is_cancelled]

    def clear(self) -> None:
        """Forget all."""
        self._ready.clear()
        self._times_ns.clear()
        self._due.clear()
        self._num_timers = self._num_cancelled = 0


def _do_nothing() -> None:
    """What a cancelled callback does."""
