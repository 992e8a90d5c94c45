"""BurstGPT: requests come in bursts, and servers feel it."""

from functools import cache
from typing import NamedTuple

from weft.contracts.options import ServingOptions
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime
from weft.papers.trials import LONELY_PER_S, capacity_per_s, highest_rate, p99_ttft_s, play, served
from weft.simulator.deployment import Deployment
from weft.workloads.arrivals import Arrivals, gamma, poisson
from weft.workloads.fitted import fitted_workload
from weft.workloads.generated import GeneratedWorkload
from weft.workloads.limits import Limited

AUTHORS_CV = 2.0**0.5
"""Of gaps from a gamma distribution of shape 0.5, the default of the authors' generator (docs/workloads.md)."""

UTILISATIONS = (0.5, 0.7, 0.85)
"""Of the capacity: idle, usual and high load."""

TTFT_SLOWDOWN = 10.0
"""What the 99th percentile may be, as a multiple of what requests alone have (Mooncake, FAST 2025, section 8.1, bounds
the time to the first token at ten times that of a request alone)."""

CROWD_PER_S = 1e4
"""A rate at which everybody is there at once."""


class Service(NamedTuple):
    """A point of the grid. `cv`: coefficient of variation of the gaps between requests."""

    name: str
    cv: float
    model: str = "meta-llama/Llama-2-13b-hf"
    hardware: str = "a100"
    num_requests: int = 500

    def deployment(self) -> Deployment:
        """One replica with today's scheduler."""
        sizes = ServingOptions(enable_prefix_caching=False)
        return served(self.model, self.hardware, sizes, budget="decode_first")

    def requests(self, arrivals: Arrivals, seed: int) -> Limited:
        """The lengths of BurstGPT; the same ones with a seed, whenever they arrive."""
        shape = fitted_workload("burstgpt").shape
        return Limited(GeneratedWorkload("burstgpt", arrivals, shape, seed), self.num_requests)


def measure(service: Service, seed: int) -> Observation:
    """Bursty against memoryless arrivals at equal rates: the tail of the time to the first token, and the rate that
    keeps it bounded, whose inverse is the provision that is needed."""

    def tail_s(arrivals: Arrivals) -> float:
        return p99_ttft_s(play(service.deployment(), service.requests(arrivals, seed)))

    capacity = _capacity_per_s(service, seed)
    pairs = {
        f"p99 TTFT at {share:.0%} load": Pair(
            tail_s(poisson(share * capacity)), tail_s(gamma(share * capacity, service.cv))
        )
        for share in UTILISATIONS
    }
    bound_s = TTFT_SLOWDOWN * tail_s(poisson(LONELY_PER_S))
    calm = highest_rate(lambda rate: tail_s(poisson(rate)) <= bound_s, UTILISATIONS[0] * capacity)
    bursty = highest_rate(lambda rate: tail_s(gamma(rate, service.cv)) <= bound_s, UTILISATIONS[0] * capacity)
    pairs["provision"] = Pair(1.0 / calm, 1.0 / bursty)
    return Observation(pairs, {"capacity (requests/s)": capacity, "bound on TTFT (ms)": 1e3 * bound_s})


@cache
def _capacity_per_s(service: Service, seed: int) -> float:
    return capacity_per_s(service.deployment(), service.requests(poisson(CROWD_PER_S), seed))


KINGMAN = (
    "ours, before the first run: Kingman's approximation has waiting grow with the sum of the squared coefficients of "
    "variation of gaps and service, by half where the latter is that of an exponential"
)

CARD = Card(
    id="burstgpt",
    title="BurstGPT: A Real-World Workload Dataset to Optimize LLM Serving Systems",
    venue="KDD",
    year=2025,
    claims=(
        Claim(
            quantity="p99 TTFT at 70% load",
            number=1.5,
            effect=Effect.RATIO,
            unit="times the 99th percentile of the time to the first token",
            where="BurstGPT's lengths, gamma gaps of shape 0.5 against Poisson arrivals at 70 % of capacity",
            source=KINGMAN,
            origin=Origin.OURS,
        ),
        Claim(
            quantity="provision",
            number=1.1,
            effect=Effect.RATIO,
            unit="times the servers for the same bound on that percentile",
            where="as above, bound ten times that of requests alone",
            source="ours, before the first run: a tenth more servers is what an operator would notice",
            origin=Origin.OURS,
        ),
    ),
    mechanism="Gaps between requests are drawn from a gamma distribution whose coefficient of variation is above 1, so "
    "that requests come in bursts while the average rate is the same.",
    files=(
        "weft/workloads/arrivals.py",
        "weft/workloads/distributions.py",
        "weft/workloads/named/burstgpt.json",
    ),
    baseline="Poisson arrivals at the same average rate, of the same requests.",
    grid=(
        Service("authors' default, gaps with CV 1.41", AUTHORS_CV),
        Service("gaps with CV 2", 2.0),
        Service("gaps with CV 4", 4.0),
    ),
    quick=Service("quick", 4.0, num_requests=80),
    measure=measure,
    regime=Regime.SIMULATED,
    regime_reason="the same requests must be offered with and without bursts, at many rates, to a server on an A100",
    departures=(
        "the paper gives no single number for what bursts cost, so the thresholds are ours",
        "lengths are drawn from published quantiles, prompt and output independently; days, hours and failures of the "
        "trace are left out",
    ),
    finding="With gaps as bursty as the authors' generator makes them by default, the tail is a fifth longer at 50 "
    "and 70 % of capacity and the provision 4 % larger; at 70 % neither can be told from nothing. Kingman's "
    "approximation, from which the threshold was taken, is that of one server at a time. A continuous batch "
    "serves dozens, so that below the knee hardly anybody queues. Bursts matter once they are longer than the "
    "batch can take up: with a CV of 2 the tail is 1.8 to 3.4 times as long, with 4 it is 7 to 12 times.",
)
