"""Events of engines as a trace that Perfetto and Chrome show: https://ui.perfetto.dev.

Each replica is a process with a track for its steps, a track per slot that a running sequence takes, and counters.
The form is Google's "Trace Event Format" (JSON array, 2016): times in microseconds.
"""

import json
from functools import partial
from heapq import heappop, heappush
from typing import Any, TextIO

from weft.contracts.events import Status, StepRecord, Transition
from weft.observation.event_log import EventLog

MICROSECONDS = 1e6
STEPS_TRACK = 0


class ChromeTrace:
    """Writes events as they pass; only those under way take memory. `close` makes the file whole.

    A step is shown from when it began (the one before it had ended, and it was planned) to its end.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._separator = "[\n"

    def watch(self, replica: int, log: EventLog) -> None:
        """Follow the log of a replica from now on."""
        self._write(ph="M", name="process_name", pid=replica, args={"name": f"replica {replica}"})
        self._name_track(replica, STEPS_TRACK, "steps")
        tracks = _ReplicaTracks(replica, self)
        log.subscribe(tracks.on_step, StepRecord)
        log.subscribe(tracks.on_transition, Transition)

    def close(self) -> None:
        """End the array; the file stays open."""
        self._file.write("[]\n" if self._separator == "[\n" else "\n]\n")

    def span(self, replica: int, track: int, name: str, from_s: float, to_s: float, **shown: object) -> None:
        """Something that took time."""
        duration = round((to_s - from_s) * MICROSECONDS, 3)
        self._write(
            ph="X", name=name, pid=replica, tid=track, ts=_microseconds(from_s), dur=duration, args=shown
        )

    def counter(self, replica: int, name: str, time_s: float, value: int) -> None:
        """A number as of a time."""
        self._write(ph="C", name=name, pid=replica, ts=_microseconds(time_s), args={name: value})

    def _name_track(self, replica: int, track: int, name: str) -> None:
        self._write(ph="M", name="thread_name", pid=replica, tid=track, args={"name": name})

    def name_slot(self, replica: int, slot: int) -> int:
        """A track for a slot that was never taken before."""
        self._name_track(replica, slot + 1, f"slot {slot}")
        return slot

    def _write(self, **event: Any) -> None:
        self._file.write(self._separator + json.dumps(event, separators=(",", ":")))
        self._separator = ",\n"


class _ReplicaTracks:
    """Which slots are taken by whom, since when."""

    def __init__(self, replica: int, trace: ChromeTrace) -> None:
        self._span, self._counter = partial(trace.span, replica), partial(trace.counter, replica)
        self._name_slot = partial(trace.name_slot, replica)
        self._free_slots: list[int] = []
        self._num_slots = 0
        self._running: dict[int, tuple[int, float]] = {}
        self._last_step_s = 0.0

    def on_step(self, record: StepRecord) -> None:
        """A span for the step, and the counters after it."""
        begun_s = max(record.planned_s, self._last_step_s)
        self._last_step_s = record.time_s
        prefill_tokens = record.num_tokens - record.num_standing
        self._span(
            STEPS_TRACK,
            f"step of {record.num_tokens}",
            begun_s,
            record.time_s,
            number=record.number,
            decodes=record.num_standing,
            others=prefill_tokens,
        )
        for name in ("num_running", "num_waiting", "used_blocks"):
            self._counter(name, record.time_s, getattr(record, name))

    def on_transition(self, event: Transition) -> None:
        """A sequence takes a slot while it runs."""
        if event.after is Status.RUNNING:
            self._running[event.sequence_number] = (self._take_slot(), event.time_s)
        elif (taken := self._running.pop(event.sequence_number, None)) is not None:
            slot, since_s = taken
            heappush(self._free_slots, slot)
            self._span(
                slot + 1,
                event.request_id,
                since_s,
                event.time_s,
                then=event.after.value,
                reason=event.reason,
            )

    def _take_slot(self) -> int:
        if self._free_slots:
            return heappop(self._free_slots)
        self._num_slots += 1
        return self._name_slot(self._num_slots - 1)


def _microseconds(time_s: float) -> float:
    return round(time_s * MICROSECONDS, 3)
