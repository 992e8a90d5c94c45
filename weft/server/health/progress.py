"""Whether the engine gets on with its work."""

from typing import Protocol

from weft.contracts.events import RequestArrived, RequestEnded, StepRecord
from weft.llm.async_llm import AsyncLLM
from weft.server.health.whereabouts import whereabouts

STALLED_AFTER_S = 60.0
"""A step of 2,048 prompt tokens takes two cores about 10 s with a model of 0.35 G parameters; whoever serves a
larger one on a CPU allows more (--stalled-after). A GPU is far below."""
LEAST_S = 5.0
TIMES_EXPECTED = 20.0
"""A step that takes so many times what steps of its size took is not slow but stuck: context lengths and neighbours on
the machine make less of a difference, and below `LEAST_S` nothing is said."""
FORGETTING = 0.99
"""Per step, of the longest seen: the first step, which warms up, is nearly forgotten after some hundred."""
MOST_FAILED = 8
"""Steps in a row. With two in flight, each failure takes up to two."""


class StepTimes:
    """How long steps take, by the power of two that bounds their tokens."""

    def __init__(self) -> None:
        self._longest_s: dict[int, float] = {}

    def note(self, num_tokens: int, seconds: float) -> None:
        """A step has ended."""
        size = num_tokens.bit_length()
        self._longest_s[size] = max(seconds, FORGETTING * self._longest_s.get(size, 0.0))

    def expected_s(self, num_tokens: int) -> float | None:
        """At most, for a step of so many tokens: as the next larger that was seen, else in proportion to the largest;
        None before any was."""
        size = num_tokens.bit_length()
        larger = [each for each in self._longest_s if each >= size]
        if larger:
            return self._longest_s[min(larger)]
        largest = max(self._longest_s, default=None)
        return None if largest is None else self._longest_s[largest] * 2.0 ** (size - largest)


class Health(Protocol):
    """Whether what answers gets on. Times are of the loop's clock."""

    def is_slow(self, now_s: float) -> bool:
        """Whether that is reason enough to send work elsewhere."""

    def problem(self, now_s: float) -> str | None:
        """What is wrong; None where nothing is."""


class Progress:
    """Since when the engine has had work, when its last step ended, and how long steps take."""

    def __init__(self, llm: AsyncLLM, stalled_after_s: float = STALLED_AFTER_S) -> None:
        self.num_unfinished = 0
        self._llm, self._stalled_after_s = llm, stalled_after_s
        self._since_s = 0.0
        self._num_failed = 0
        self._times = StepTimes()
        llm.log.subscribe(self._on_arrival, RequestArrived)
        llm.log.subscribe(self._on_end, RequestEnded)
        llm.log.subscribe(self._on_step, StepRecord)

    def standstill_s(self, now_s: float) -> float:
        """For how long there has been work and no step has ended; 0 when idle."""
        return now_s - self._since_s if self.num_unfinished else 0.0

    @property
    def most_s(self) -> float:
        """How long a standstill may last: what was allowed, and less for a step of a size that is known to be fast."""
        engine = self._llm.engine
        step = None if engine is None else engine.step_under_way
        expected_s = None if step is None else self._times.expected_s(step.num_tokens)
        if expected_s is None:
            return self._stalled_after_s
        return min(self._stalled_after_s, max(LEAST_S, TIMES_EXPECTED * expected_s))

    def is_slow(self, now_s: float) -> bool:
        """Whether it has stood still for half as long as that: reason enough to send work elsewhere."""
        return self.standstill_s(now_s) > self.most_s / 2

    def problem(self, now_s: float) -> str | None:
        """What is wrong with it, naming the function that hangs; None where nothing is."""
        standstill_s = self.standstill_s(now_s)
        if standstill_s > self.most_s:
            where = whereabouts(self._llm.serving.executor.step_thread)
            return f"no step has ended for {standstill_s:.0f} s; its thread is in {where}"
        if self._num_failed >= MOST_FAILED:
            return f"the last {self._num_failed} steps failed"
        return None

    def _on_arrival(self, event: RequestArrived) -> None:
        if not self.num_unfinished:
            self._since_s = event.time_s
        self.num_unfinished += 1

    def _on_end(self, event: RequestEnded) -> None:
        self.num_unfinished -= 1

    def _on_step(self, record: StepRecord) -> None:
        if record.failed:
            self._num_failed += 1
        else:
            self._num_failed = 0
            self._times.note(record.num_tokens, record.time_s - max(record.planned_s, self._since_s))
        self._since_s = record.time_s
