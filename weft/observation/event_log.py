"""The one record of what happened: a bounded ring of events, and handlers that see each as it passes."""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, get_args, overload

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Event, StepRecord, StepRun

EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)
"""Every type of event, in the order of the contract."""

DEFAULT_CAPACITY = 65536

Handler = Callable[[Any], None]
Handled = TypeVar("Handled", bound=Event)


class EventLog:
    """A ring of the last `capacity` events, which are also passed on to handlers by type.

    `num_recorded` counts all events ever recorded, each step of a run as one. A capacity of 0 keeps none and only
    passes them on.
    Handlers run at once, in order of subscription; an exception of one stops the recording and goes to
    the caller, so that a broken invariant ends the run where it broke. A handler must not record.
    Raises ConfigurationError where the capacity is negative.
    """

    __slots__ = ("_append", "_handlers", "_ring", "_run_handlers", "num_recorded")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 0:
            raise ConfigurationError(f"capacity of the event log is {capacity} events; it must be 0 or more")
        self._ring: deque[Event | StepRun] = deque(maxlen=capacity)
        self._append = self._ring.append
        self._handlers: dict[type, tuple[Handler, ...]] = dict.fromkeys(EVENT_TYPES, ())
        self._run_handlers: dict[Handler, Handler] = {}
        self.num_recorded = 0

    def record(self, event: Event) -> None:
        """Keep an event, dropping the oldest where the ring is full, and pass it on."""
        self._append(event)
        self.num_recorded += 1
        for handler in self._handlers[type(event)]:
            handler(event)

    def record_run(self, run: StepRun) -> None:
        """As `record` does with each of its step records, in the space of one."""
        self._append(run)
        self.num_recorded += len(run.times_s)
        for handler in self._handlers[StepRecord]:
            if (on_run := self._run_handlers.get(handler)) is not None:
                on_run(run)
            else:
                for record in run.records():
                    handler(record)

    @property
    def num_dropped(self) -> int:
        """Events that were recorded and are no longer kept."""
        return self.num_recorded - len(self.events())

    def events(self) -> list[Event]:
        """A copy of the events kept, the oldest first, runs of steps as their records."""
        kept: list[Event] = []
        for event in self._ring:
            if isinstance(event, StepRun):
                kept.extend(event.records())
            else:
                kept.append(event)
        return kept

    def subscribe_steps(
        self, on_step: Callable[[StepRecord], None], on_run: Callable[[StepRun], None]
    ) -> None:
        """Pass step records on from now on, but runs of steps as they are: for who makes short work of them."""
        self.subscribe(on_step, StepRecord)
        self._run_handlers[on_step] = on_run

    @overload
    def subscribe(self, handler: Callable[[Event], None]) -> None: ...
    @overload
    def subscribe(
        self, handler: Callable[[Handled], None], first_type: type[Handled], /, *more_types: type[Handled]
    ) -> None: ...
    def subscribe(self, handler: Handler, *event_types: type[Any]) -> None:
        """Pass events of these types to a handler from now on; no types means all.

        Raises ConfigurationError where a type is not one of events.
        """
        for event_type in event_types:
            if event_type not in self._handlers:
                known = ", ".join(each.__name__ for each in EVENT_TYPES)
                raise ConfigurationError(f"{event_type!r} is not a type of event; choose from: {known}")
        for event_type in event_types or EVENT_TYPES:
            self._handlers[event_type] += (handler,)

    def handlers(self) -> list[Handler]:
        """All that are subscribed, each once."""
        found: list[Handler] = []
        for handlers in self._handlers.values():
            found += [handler for handler in handlers if handler not in found]
        return found

    def unsubscribe(self, handler: Handler) -> None:
        """Pass nothing to a handler any more; one that was never subscribed is ignored."""
        self._run_handlers.pop(handler, None)
        for event_type, handlers in self._handlers.items():
            self._handlers[event_type] = tuple(each for each in handlers if each != handler)

    def close(self) -> None:
        """Pass nothing on any more. What listened and what it holds can go at once, and not when somebody looks for
        cycles."""
        self._handlers = dict.fromkeys(EVENT_TYPES, ())
        self._run_handlers.clear()

    def forget(self) -> None:
        """Keep none of the events so far."""
        self._ring.clear()
