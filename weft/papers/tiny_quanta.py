"""Tiny Quanta: blind processor sharing, of tokens."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from weft.contracts.options import ServingOptions
from weft.measurement.statistics import quantile
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime
from weft.papers.trials import LONELY_PER_S, best_choice, highest_rate, mean_duration_s, play, served
from weft.simulator.deployment import Deployment
from weft.simulator.request_outcome import RequestOutcome
from weft.workloads.arrivals import poisson
from weft.workloads.distributions import Counts, Fixed
from weft.workloads.generators import requests
from weft.workloads.lengths import Independent
from weft.workloads.limits import Limited
from weft.workloads.sessions import Workload

RATE = "requests per second under the same tail slowdown"
SLOWDOWN = 10.0
"""The 99th percentile of latency over that of a lonely request of the same length may be this (section 5.1 has the
99.9th percentile and 50; some hundred requests do not show that)."""
QUANTA_TOKENS = (16, 64, 256)


class Service(NamedTuple):
    """A point of the grid: outputs of `short` tokens, but a share of `long` ones; batches of at most `batch`."""

    name: str
    model: str
    hardware: str
    short: int
    long: int
    share: float
    batch: int
    num_requests: int = 400

    def workload(self, rate_per_s: float, seed: int) -> Workload:
        """Poisson arrivals; prompts of 128 tokens."""
        lengths = Independent(Fixed(128), _Bimodal(self.short, self.long, self.share))
        return Limited(requests(poisson(rate_per_s), lengths, seed), self.num_requests)

    def deployment(self, order: str) -> Deployment:
        """State that gives way is swapped where that is cheaper."""
        sizes = ServingOptions(
            max_num_seqs=self.batch, enable_prefix_caching=False, swap_memory_bytes=32 << 30
        )
        return served(self.model, self.hardware, sizes, budget="decode_first", order=order)


class _Bimodal:
    """Two lengths."""

    def __init__(self, short: int, long: int, share: float) -> None:
        self._values, self._counts = (short, long), Counts((1.0 - share, share))
        self.mean = (1.0 - share) * short + share * long

    def draw(self, random: Random) -> float:
        return float(self._values[int(self._counts.draw(random)) - 1])


def measure(service: Service, seed: int) -> Observation:
    """The highest rate of each order; of turns, with the best quantum."""
    alone = play(service.deployment("fcfs"), service.workload(LONELY_PER_S, seed))
    alone_s = {each.output_tokens: each.ended_s - each.arrival_s for each in alone}

    def is_good(order: str, rate_per_s: float) -> bool:
        outcomes = play(service.deployment(order), service.workload(rate_per_s, seed))
        return p99_slowdown(outcomes, alone_s) <= SLOWDOWN

    def is_good_with(quantum: int, rate_per_s: float) -> bool:
        return is_good(f"tiny_quanta:quantum_tokens={quantum}", rate_per_s)

    start_per_s = 1.0 / mean_duration_s(alone)
    old_per_s = highest_rate(partial(is_good, "fcfs"), start_per_s)
    quantum, new_per_s = best_choice(QUANTA_TOKENS, is_good_with, start_per_s)
    return Observation({RATE: Pair(old_per_s, new_per_s)}, {"quantum (tokens)": quantum})


def p99_slowdown(outcomes: Sequence[RequestOutcome], alone_s: dict[int, float]) -> float:
    """Of latencies over those of lonely requests with as many tokens."""
    slowdowns = [
        (each.ended_s - each.arrival_s) / alone_s[each.output_tokens]
        for each in outcomes
        if each.output_tokens in alone_s
    ]
    return quantile(slowdowns, 0.99)


LLAMA = ("meta-llama/Llama-3.1-8B", "h100")

CARD = Card(
    id="tiny-quanta",
    title="Efficient Microsecond-scale Blind Scheduling with Tiny Quanta",
    venue="ASPLOS",
    year=2024,
    claims=(
        Claim(
            RATE,
            1.2,
            Effect.RATIO,
            "times the rate (1.2 to 6.8)",
            "microsecond tasks of two lengths on 16 cores, against other blind schedulers",
            "abstract",
            Origin.PAPER,
        ),
    ),
    mechanism="Everybody gets a few tokens in turn, so that short outputs never wait for long ones to end, and nothing "
    "is known or learned of a request.",
    files=("weft/policies/tiny_quanta.py", "weft/engine/displacement.py"),
    baseline="First come, first served, on the same engine; quanta of 16, 64 and 256 tokens are tried.",
    grid=(
        Service("half long, batches of 16", *LLAMA, 16, 1600, 0.5, 16),
        Service("one in 200 long, batches of 16", *LLAMA, 16, 1600, 0.005, 16),
        Service("half long, batches of 128", *LLAMA, 16, 1600, 0.5, 128),
        Service("alike, batches of 16", *LLAMA, 128, 160, 0.5, 16),
    ),
    quick=Service("quick", *LLAMA, 8, 200, 0.3, 4, 60),
    measure=measure,
    regime=Regime.SIMULATED,
    regime_reason="the mechanism is carried over from cores to the batch of a language model",
    departures=(
        "a row of a batch takes the place of a core, a token that of an instruction; what a switch costs is state that "
        "is moved or computed anew, not nanoseconds",
        "the baseline is first come, first served, not another blind scheduler with larger quanta",
    ),
    finding="Where outputs differ a hundredfold, turns of 16 tokens carry 1.2 to 1.7 times the rate, more the "
    "fewer rows there are; where they are alike, nothing is gained, and the largest quantum is as good as "
    "any. So the gain of the original survives a switch that costs a swap instead of nanoseconds.",
)
