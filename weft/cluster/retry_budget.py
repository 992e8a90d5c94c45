"""Retries are a share of the requests, so that they cannot become the load themselves."""

from weft.observation.conditions import sometimes

EXHAUSTED = sometimes("retries: the budget was exhausted")

MOST_ATTEMPTS = 3
"""Replicas that one request is tried on (Site Reliability Engineering, chapter 21: at most three attempts)."""

RATIO = 0.1
"""Retries per request (the same: a tenth)."""

MOST_SAVED = 100.0
"""Retries that quiet times may save up."""


class RetryBudget:
    """Every request adds a tenth of a retry, every retry takes one. `saved`: what there is."""

    def __init__(self) -> None:
        self.saved = 10.0

    def note_request(self) -> None:
        """One came."""
        self.saved = min(self.saved + RATIO, MOST_SAVED)

    def take(self) -> bool:
        """Whether one may be tried again; it counts as done then."""
        if self.saved < 1.0:
            EXHAUSTED.hit()
            return False
        self.saved -= 1.0
        return True
