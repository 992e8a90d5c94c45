"""The shortest expected rest first, also before those that run."""

from collections.abc import Sequence
from typing import ClassVar

from weft.contracts.policies import EngineView, SequenceView
from weft.policies.shortest_job_first import ShortestJobFirst

HYSTERESIS = 2.0
"""One that runs gives way where it is expected to take more than so many times as long: what it has computed is lost or
moved, and expectations are not exact. A choice of ours."""


class ShortestRemainingFirst(ShortestJobFirst):
    """As `ShortestJobFirst`, but who runs gives way to one that waits and is expected to be done much sooner (SRPT:
    Schrage, Operations Research 1968; with expected lengths as in Shahout et al., TRAIL, arXiv 2410.01035)."""

    displaces: ClassVar[bool] = True

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        longest = max(candidates, key=lambda each: (self.decide(view, each, now_s), each.number))
        much_longer = self.lengths.remaining(longest) > HYSTERESIS * self.lengths.remaining(head)
        is_later = self.decide(view, longest, now_s) > self.decide(view, head, now_s)
        return (longest,) if much_longer and is_later else ()
