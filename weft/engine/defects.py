"""What becomes of an engine with defects."""

from collections import deque

from weft.contracts.errors import EngineStopped, InvariantViolation, WeftError

MOST_DEFECTS = 3
WITHIN_S = 60.0
"""The third within a minute stops an engine: the first may have hit one request, the second a state that only looked
sound; what comes back after a fresh start will come again."""


class Defects:
    """Counts them."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=MOST_DEFECTS)

    def note(self, now_s: float) -> int:
        """One more; how many there were lately."""
        self._times_s.append(now_s)
        return sum(now_s - time_s <= WITHIN_S for time_s in self._times_s)


def named(defect: Exception) -> str:
    """A defect in a line: the reason for which requests end."""
    has_text = isinstance(defect, WeftError | InvariantViolation)
    return f"a defect of the engine: {defect if has_text else f'{type(defect).__name__}: {defect}'}"


def stopped(defect: Exception) -> EngineStopped:
    """What those are told who ask an engine that has stopped for good."""
    error = EngineStopped(
        f"the engine could not get over its defects and has stopped; restart it. {named(defect)}"
    )
    error.__cause__ = defect
    return error
