"""Ranks that change with time, asked anew at fixed moments."""

from math import floor

from weft.contracts.policies import EVERY_STEP, Rerank

PERIOD_S = 0.1
"""Seconds between these moments: few steps, and few enough questions where thousands wait."""


class Moments:
    """When ranks are to be asked anew, from the ends of steps: after each of them the engine plans, and asks where the
    next moment has come. `due`: that moment."""

    def __init__(self) -> None:
        self.due = EVERY_STEP
        self._last_s: float | None = None

    def step_ended(self, time_s: float) -> None:
        """If the moment had come at the end of the step before, the engine has asked since then."""
        if self._last_s is not None and self._last_s >= self.due.at_s:
            self.due = Rerank((floor(self._last_s / PERIOD_S) + 1) * PERIOD_S)
        self._last_s = time_s
