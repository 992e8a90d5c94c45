"""What users feel of a model, from when each output token was seen. All times are seconds on one clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from statistics import median
from typing import NamedTuple


class TokenTimes(NamedTuple):
    """One request as its client saw it: when it was sent, when each output token came, when it ended."""

    prompt_tokens: int
    submitted_s: float
    tokens_s: tuple[float, ...]
    ended_s: float

    @property
    def ttft_s(self) -> float:
        """Time to the first output token."""
        return self.tokens_s[0] - self.submitted_s

    @property
    def tpot_s(self) -> float | None:
        """Mean time per output token after the first; None where there is one only."""
        following = len(self.tokens_s) - 1
        return (self.tokens_s[-1] - self.tokens_s[0]) / following if following else None

    @property
    def intervals_s(self) -> tuple[float, ...]:
        """Between each output token and the next."""
        return tuple(later - earlier for earlier, later in pairwise(self.tokens_s))


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over repeated runs: its median, lowest and highest value."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(median(values), min(values), max(values))


def spread_of_known(values: Sequence[float | None]) -> Spread | None:
    """None where any run has no value: a figure over some of the runs would hide that."""
    known = [value for value in values if value is not None]
    return spread(known) if known and len(known) == len(values) else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share (0 to 1) of the values is at most, between neighbours by linear interpolation."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def prefill_tokens_per_s(requests: Sequence[TokenTimes]) -> float:
    """Prompt tokens of all, over the time from the first submission to the last first token."""
    begun_s = min(request.submitted_s for request in requests)
    done_s = max(request.tokens_s[0] for request in requests)
    return sum(request.prompt_tokens for request in requests) / (done_s - begun_s)


def decode_tokens_per_s(requests: Sequence[TokenTimes]) -> float | None:
    """Output tokens per second of all together, while all of them decode: no prompt left, nobody done.

    The sum of each request's own speed in that window, by its intervals that lie wholly inside. Counting
    tokens instead would err by up to a step, since those of one step are not seen in the same instant. None
    where somebody has no interval inside.
    """
    begun_s = max(request.tokens_s[0] for request in requests)
    over_s = min(request.tokens_s[-1] for request in requests)
    speeds = [_tokens_per_s(request, begun_s, over_s) for request in requests]
    known = [speed for speed in speeds if speed is not None]
    return sum(known) if len(known) == len(speeds) else None


def _tokens_per_s(request: TokenTimes, begun_s: float, over_s: float) -> float | None:
    inside = [token_s for token_s in request.tokens_s if begun_s <= token_s <= over_s]
    if len(inside) < 2 or inside[-1] == inside[0]:
        return None
    return (len(inside) - 1) / (inside[-1] - inside[0])


class LatencyRun(NamedTuple):
    """One batch that was sent at once. None: it cannot be told from this run.

    `ttft_s`: median over the requests of the time to the first token. `tpot_s`: the same of the mean time per
    output token after the first. `itl_p99_s`: 99th percentile of the intervals between a token and the next,
    of all requests. Speeds are of the whole batch. `num_output_tokens`: that were counted.
    """

    ttft_s: float
    tpot_s: float | None
    itl_p99_s: float | None
    prefill_tokens_per_s: float
    decode_tokens_per_s: float | None
    num_output_tokens: int
    prefix_hit_tokens: int


def latency_run(requests: Sequence[TokenTimes], prefix_hit_tokens: int) -> LatencyRun:
    """The figures of one batch."""
    tpots_s = list(_known(request.tpot_s for request in requests))
    intervals_s = [interval for request in requests for interval in request.intervals_s]
    return LatencyRun(
        median(request.ttft_s for request in requests),
        median(tpots_s) if tpots_s else None,
        percentile(intervals_s, 0.99) if intervals_s else None,
        prefill_tokens_per_s(requests),
        decode_tokens_per_s(requests),
        sum(len(request.tokens_s) for request in requests),
        prefix_hit_tokens,
    )


def _known(values: Iterator[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)


class ThroughputRun(NamedTuple):
    """One load that was sent at once and served to the end. None: the contender has no such thing.

    `wall_s`: from the first submission to the last end. `mean_running`: sequences that a step computed, the
    mean over steps weighted by their time.
    """

    wall_s: float
    num_requests: int
    num_prompt_tokens: int
    num_output_tokens: int
    mean_running: float | None = None
    num_preemptions: int | None = None
    prefix_hit_tokens: int | None = None


def wall_s(requests: Sequence[TokenTimes]) -> float:
    """From the first submission to the last end."""
    return max(request.ended_s for request in requests) - min(request.submitted_s for request in requests)


def mean_running(steps: Sequence[tuple[float, int]], begun_s: float) -> float:
    """Of steps as (when it returned, sequences that it computed): the mean of the latter by time since the
    step before, or since `begun_s` for the first."""
    total, last_s = 0.0, begun_s
    for time_s, num_sequences in steps:
        total += num_sequences * (time_s - last_s)
        last_s = time_s
    return total / (last_s - begun_s) if last_s > begun_s else 0.0
