"""Prequal: replicas by their latency and requests in flight, asked ahead."""

from functools import cache
from typing import NamedTuple

from weft.contracts.options import ServingOptions
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime
from weft.papers.clusters import Slowdowns, replicated
from weft.papers.trials import (
    CROWD_PER_S,
    capacity_per_s,
    crowd,
    mean_duration_s,
    p99_latency_s,
    play,
    served,
)
from weft.simulator.deployment import Deployment
from weft.simulator.request_outcome import RequestOutcome
from weft.workloads.arrivals import poisson
from weft.workloads.distributions import Exponential, Fixed
from weft.workloads.generators import requests
from weft.workloads.lengths import Independent
from weft.workloads.limits import Limited
from weft.workloads.registry import find_workload
from weft.workloads.sessions import Workload

BASELINES = {
    "turns": "round_robin",
    "two choices": "power_of_two",
    "the least loaded": "least_outstanding",
}
CROWD = 4000
SHORT_TOKENS = (16, 40.0)
"""Of prompts, all alike, and of outputs on average, exponential: work whose deviation is its mean, as in section 5."""


class Cluster(NamedTuple):
    """A point of the grid: replicas under so much of the capacity that their slowdowns leave. `slowdown`: factor, share
    and seconds, see `Slowdowns`. `workload`: a name, or "short" for requests like the paper's."""

    name: str
    workload: str
    batch: int
    utilisation: float
    slowdown: tuple[float, float, float]
    replicas: int = 32
    num_requests: int = 8000
    model: str = "meta-llama/Llama-3.1-8B"
    hardware: str = "h100"

    def replica(self) -> Deployment:
        """One that nobody slows down."""
        sizes = ServingOptions(max_num_seqs=self.batch, max_model_len=16_384, enable_prefix_caching=False)
        return served(self.model, self.hardware, sizes, budget="decode_first")

    def load(self, rate_per_s: float, seed: int) -> Workload:
        """Poisson arrivals, or the named workload's."""
        if self.workload != "short":
            return find_workload(self.workload, rate_per_s, seed, num_requests=self.num_requests)
        prompt_tokens, output_tokens = SHORT_TOKENS
        lengths = Independent(Fixed(prompt_tokens), Exponential(output_tokens))
        return Limited(requests(poisson(rate_per_s), lengths, seed), self.num_requests)


@cache
def _capacity_per_s(cluster: Cluster) -> float:
    """Of one replica. The same for all seeds, so that they have the same utilisation."""
    number = min(CROWD, cluster.num_requests)
    waiting = cluster._replace(num_requests=number).load(CROWD_PER_S, seed=0)
    return capacity_per_s(cluster.replica(), crowd(waiting, number))


def measure(cluster: Cluster, seed: int) -> Observation:
    """The tail of latency under each router, with the same requests and the same slowdowns."""
    slowdowns = Slowdowns(*cluster.slowdown)
    rate_per_s = cluster.utilisation * slowdowns.mean_speed * cluster.replicas * _capacity_per_s(cluster)
    load = cluster.load(rate_per_s, seed)

    def played(router: str) -> list[RequestOutcome]:
        deployment = replicated(cluster.replica(), cluster.replicas, router)
        return play(deployment, load, prepare=lambda replicas: slowdowns.begin(replicas, seed))

    found = {name: played(router) for name, router in (BASELINES | {"prequal": "prequal"}).items()}
    ours_s = p99_latency_s(found["prequal"])
    pairs = {_tail(name): Pair(p99_latency_s(found[name]), ours_s) for name in BASELINES}
    means = {f"mean latency, {name} (s)": mean_duration_s(each) for name, each in found.items()}
    return Observation(pairs, means | {"rate (requests/s)": rate_per_s})


def _tail(against: str) -> str:
    return f"p99 latency, against {against}"


def _ours(against: str) -> Claim:
    return Claim(
        _tail(against),
        0.9,
        Effect.RATIO,
        "of the latency",
        "short requests, replicas slowed down by turns, 90 % of what is left of them",
        "ours, before the first run: a tenth of the tail would be worth probes",
        Origin.OURS,
    )


CARD = Card(
    id="prequal",
    title="Load is not what you should balance: Introducing Prequal",
    venue="NSDI",
    year=2024,
    claims=(
        Claim(
            _tail("turns"),
            0.5,
            Effect.RATIO,
            "of the latency (half the tail)",
            "YouTube's servers, whose neighbours slow them down, against weighted round robin",
            "section 1: tail latency was cut by a factor of two (taken from others' accounts of the paper)",
            Origin.PAPER,
        ),
        _ours("two choices"),
        _ours("the least loaded"),
    ),
    mechanism="Answers of replicas to probes wait in a pool; a request goes to the fastest of those whose requests in "
    "flight are below a quantile of recent answers, or to the emptiest where there is none such.",
    files=(
        "weft/policies/prequal.py",
        "weft/policies/probe_pool.py",
        "weft/cluster/latency_estimate.py",
        "weft/papers/clusters.py",
    ),
    baseline="Replicas in turn; the less loaded of two; the least loaded of all, by the router's exact books. The same "
    "requests, engines and slowdowns; the constants of the paper's experiments (section 5), and no search.",
    grid=(
        Cluster("short, slowed by turns, 90 %", "short", 8, 0.9, (3.0, 0.25, 2.0)),
        Cluster("conversations, slowed by turns, 70 %", "azure-conv", 256, 0.7, (3.0, 0.25, 10.0), 16, 5000),
        Cluster("short, half slower for good, 90 %", "short", 8, 0.9, (2.0, 0.5, 0.0)),
        Cluster("short, all alike, 90 %", "short", 8, 0.9, (1.0, 0.25, 0.0)),
    ),
    quick=Cluster("quick", "short", 4, 0.9, (3.0, 0.25, 2.0), 8, 700),
    measure=measure,
    regime=Regime.SIMULATED,
    regime_reason="slowdowns are the same for all routers only where they are made",
    departures=(
        "turns in place of weighted round robin, whose weights are averages over longer times than these slowdowns "
        "last, and then equal",
        "one router, so its books are exact, where the paper's clients know their own requests alone; the baselines "
        "gain by it and Prequal does not need it",
        "32 replicas that take 3 times as long for a quarter of the time, where the paper has 100 beside real "
        "neighbours; a request takes about 300 ms, not 75 ms; probes are answered at once",
    ),
    finding="Against replicas in turn the tail is less than half where replicas are slowed by turns or for good, and "
    "as long where all are alike. But a router that sends all requests itself needs no probes: the less loaded of "
    "two replicas has a shorter tail where replicas are slowed by turns (Prequal's is 1.23 times as long) and one "
    "as long where half are slow for good, and the least loaded of all is better still. Looking on, with three of "
    "the seeds: it is the latency that misleads. With `hot_quantile=0`, so by requests in flight alone, the mean "
    "of the tails is 1.29 s (two choices 1.39 s, the least loaded 1.25 s) in place of 1.61 s; presumably because "
    "a latency is known when a request ends, and then the neighbour that made it long may be gone, while requests "
    "in flight pile up at once. What is left of the paper's case is many routers that know their own requests "
    "alone, which is not measured here.",
)
