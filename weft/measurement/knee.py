"""The knee of a service: the highest rate at which output tokens/s stay within 5 % of those offered.

Both are taken over the second half of a run of at least ten minutes, and the rate is found to 2 %.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, sqrt

from weft.measurement.simulation import SimulationResult
from weft.workloads.errors import WorkloadError

LEAST_RUN_S = 600.0
LEAST_REQUESTS = 1000
"""Of a run: of fewer, those under way at either end of its second half outweigh the 5 %."""

KEPT_SHARE = 0.95
CLOSE = 1.02
DIGITS = 4
"""Of the rates that are tried; finer than `CLOSE`, and fit to be read."""


@dataclass(frozen=True, slots=True)
class SecondHalf:
    """What came and what was answered in the second half of a run, per second.

    `offered_tokens_per_s`: output tokens of the requests that arrived in it. `output_tokens_per_s`: those that came
    out in it, of whatever request.
    """

    offered_requests_per_s: float
    offered_tokens_per_s: float
    output_tokens_per_s: float

    @property
    def keeps_up(self) -> bool:
        """Whether what came out is within 5 % of what was offered, or above."""
        return self.output_tokens_per_s >= KEPT_SHARE * self.offered_tokens_per_s


def run_length_s(rate_per_s: float) -> float:
    """Ten minutes, doubled until 1,000 requests arrive."""
    length_s = LEAST_RUN_S
    while length_s * rate_per_s < LEAST_REQUESTS:
        length_s *= 2
    return length_s


def second_half(result: SimulationResult, length_s: float) -> SecondHalf:
    """Of a run in which sessions arrive for `length_s` seconds.

    Raises `WorkloadError` where arrivals ended well before that, as those of a short trace do.
    """
    requests, half_s = result.requests, length_s / 2
    last_s = max(requests.arrival_s, default=0.0)
    if last_s < length_s * 0.75:
        raise WorkloadError(
            f"the last request of {result.workload} arrives after {last_s:.0f} s, and the knee needs arrivals for "
            f"{length_s:.0f} s; take a longer workload or lower rates, or list the rates (rate=1,2,4)"
        )
    arrivals = zip(requests.arrival_s, requests.output_tokens, strict=True)
    offered = [tokens for arrival_s, tokens in arrivals if half_s <= arrival_s < length_s]
    answered = result.timeline.tokens_between(half_s, length_s)
    return SecondHalf(len(offered) / half_s, sum(offered) / half_s, answered / half_s)


@dataclass(frozen=True, slots=True)
class Knee:
    """Between which rates a service stops keeping up.

    `at`: the other swept values. `kept_up`: the highest rate that was kept up with, None: not even the lowest tried.
    `fell_behind`: the lowest above it that was not, None: not even the highest tried. The knee is `kept_up`, where
    both are known; they are then at most 2 % apart.
    """

    at: Mapping[str, float]
    kept_up: float | None
    fell_behind: float | None

    @property
    def rate_per_s(self) -> float | None:
        """The knee; None where it is outside the range."""
        return self.kept_up if self.fell_behind is not None else None


class Bisection:
    """Narrows down one knee, from the rates that are known. A rate maps to whether the service kept up with it."""

    def __init__(self, known: Mapping[float, bool]) -> None:
        self.kept_up = max((rate for rate, kept in known.items() if kept), default=-inf)
        self.fell_behind = min((rate for rate in known if rate > self.kept_up), default=inf)

    @property
    def is_over(self) -> bool:
        """The knee is close enough, or not between the rates."""
        return _are_close(self.kept_up, self.fell_behind)

    def candidates(self, number: int) -> list[float]:
        """The rate to try next and, up to `number`, those that may have to be tried after it."""
        rates: list[float] = []
        spans = deque([(self.kept_up, self.fell_behind)])
        while spans and len(rates) < number:
            low, high = spans.popleft()
            if not _are_close(low, high):
                rates.append(middle := _middle(low, high))
                spans += [(low, middle), (middle, high)]
        return rates

    def descend(self, keeps_up: Callable[[float], bool | None]) -> list[float]:
        """Take the steps that are known, and return their rates; None: that rate was not tried."""
        taken = []
        while (
            not self.is_over
            and (kept := keeps_up(middle := _middle(self.kept_up, self.fell_behind))) is not None
        ):
            taken.append(middle)
            if kept:
                self.kept_up = middle
            else:
                self.fell_behind = middle
        return taken

    def knee(self, at: Mapping[str, float]) -> Knee:
        """What is known."""
        return Knee(
            at,
            self.kept_up if self.kept_up > -inf else None,
            self.fell_behind if self.fell_behind < inf else None,
        )


def _are_close(low: float, high: float) -> bool:
    """One of them may be infinite: then there is nothing between them to look for."""
    return low == -inf or high == inf or high <= low * CLOSE


def _middle(low: float, high: float) -> float:
    """Strictly between two rates that are not close."""
    return float(f"{sqrt(low * high):.{DIGITS}g}")
