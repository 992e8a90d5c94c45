"""Watching functions from outside: where nobody measures, there is nothing to pay for and nothing to read past."""

import functools
import importlib
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from weft.measurement.latency_stages import Span


class Probe(NamedTuple):
    """Calls of one function count as spans of this name. `place`: as "module:function" or "module:Class.method", where
    those who call it look it up."""

    name: str
    place: str


class Probes:
    """Around functions of this process once they are `on`. A coroutine's span lasts until it has ended."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = probes
        self._spans: list[tuple[str, float, float]] = []
        self._replaced: list[tuple[Any, str, Any]] = []

    def on(self) -> None:
        """Watch, and forget what was not taken. Raises AttributeError where a function is no longer there."""
        self._spans = []
        for probe in self._probes if not self._replaced else ():
            owner, name = _find(probe.place)
            self._replaced.append((owner, name, vars(owner).get(name)))
            setattr(owner, name, self._watched(probe.name, getattr(owner, name)))

    def off(self) -> None:
        """Leave everything as it was."""
        while self._replaced:
            owner, name, function = self._replaced.pop()
            if function is None:
                delattr(owner, name)  # it was inherited
            else:
                setattr(owner, name, function)

    def take(self) -> list[Span]:
        """What was seen since the last time, in the order of the ends."""
        taken, self._spans = self._spans, []
        return [Span(*each) for each in taken]

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        now = time.monotonic

        @functools.wraps(function)
        def watched(*arguments: Any, **named: Any) -> Any:
            begin_s = now()
            try:
                return function(*arguments, **named)
            finally:
                self._spans.append((name, begin_s, now()))

        @functools.wraps(function)
        async def watched_to_its_end(*arguments: Any, **named: Any) -> Any:
            begin_s = now()
            try:
                return await function(*arguments, **named)
            finally:
                self._spans.append((name, begin_s, now()))

        return watched_to_its_end if inspect.iscoroutinefunction(function) else watched


def call_cost_s(num_calls: int = 20_000) -> float:
    """What it adds to a function of this process to be watched, per call: the least of several tries, so that other
    programs count for nothing."""
    watched, plain = Probes([])._watched("nothing", _nothing), _nothing
    return max(
        0.0, min(_seconds(watched, num_calls) - _seconds(plain, num_calls) for _ in range(5)) / num_calls
    )


def _nothing() -> None:
    pass


def _seconds(function: Callable[[], object], num_calls: int) -> float:
    begun_s = time.monotonic()
    for _ in range(num_calls):
        function()
    return time.monotonic() - begun_s


def _find(place: str) -> tuple[Any, str]:
    """Whose attribute it is, and its name."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    getattr(owner, name)
    return owner, name
