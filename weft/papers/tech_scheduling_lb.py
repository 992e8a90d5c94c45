"""Scheduling and load balancing: what a router gains by looking at two replicas, and at all, and an engine by order."""

from functools import cache
from typing import NamedTuple

from weft.contracts.options import ServingOptions
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime
from weft.papers.clusters import replicated
from weft.papers.trials import capacity_per_s, crowd, mean_duration_s, p99_ttft_s, play, served
from weft.simulator.deployment import Deployment
from weft.simulator.request_outcome import RequestOutcome
from weft.workloads.arrivals import poisson
from weft.workloads.distributions import Exponential, Fixed, LogNormal
from weft.workloads.generators import requests
from weft.workloads.lengths import Independent
from weft.workloads.limits import Limited
from weft.workloads.sessions import Workload

MEAN = "mean time of a request, two choices against one"
TAIL = "p99 TTFT, two choices against one"
ALL = "p99 TTFT, the least loaded of all against two choices"
ORDER = "mean time of a request, shortest rest first against by arrival, one choice"
ONE, TWO = "power_of_two:choices=1", "power_of_two"
CROWD = 10_000


class Queues(NamedTuple):
    """A point of the grid: replicas that run so many sequences at once, under so much of their capacity. Outputs are
    exponential; `prompt_tokens`: mean and coefficient of variation, log-normal; 0: they are all alike."""

    name: str
    batch: int
    utilisation: float
    prompt_tokens: tuple[float, float] = (16.0, 0.0)
    output_tokens: float = 12.0
    replicas: int = 16
    num_requests: int = 7500
    model: str = "meta-llama/Llama-3.1-8B"
    hardware: str = "h100"

    def workload(self, rate_per_s: float, seed: int) -> Workload:
        """Poisson arrivals."""
        mean, cv = self.prompt_tokens
        prompts = LogNormal(mean, cv) if cv else Fixed(mean)
        lengths = Independent(prompts, Exponential(self.output_tokens))
        return Limited(requests(poisson(rate_per_s), lengths, seed), self.num_requests)

    def replica(self, order: str = "fcfs") -> Deployment:
        """State that gives way is swapped."""
        sizes = ServingOptions(
            max_num_seqs=self.batch,
            max_model_len=8192,
            enable_prefix_caching=False,
            swap_memory_bytes=32 << 30,
        )
        return served(self.model, self.hardware, sizes, budget="decode_first", order=order)


@cache
def _capacity_per_s(queues: Queues) -> float:
    """Of one replica. The same for all seeds, so that they have the same utilisation."""
    return capacity_per_s(
        queues.replica(), crowd(queues.workload(1.0, seed=0), min(CROWD, queues.num_requests))
    )


def measure(queues: Queues, seed: int) -> Observation:
    """Times under each router, and of one choice with another order too."""
    rate_per_s = queues.utilisation * queues.replicas * _capacity_per_s(queues)
    load = queues.workload(rate_per_s, seed)

    def played(router: str, order: str = "fcfs") -> list[RequestOutcome]:
        return play(replicated(queues.replica(order), queues.replicas, router), load)

    one, two, least, ordered = (
        played(ONE),
        played(TWO),
        played("least_outstanding"),
        played(ONE, "srpt_oracle"),
    )
    pairs = {
        MEAN: Pair(mean_duration_s(one), mean_duration_s(two)),
        TAIL: Pair(p99_ttft_s(one), p99_ttft_s(two)),
        ALL: Pair(p99_ttft_s(two), p99_ttft_s(least)),
        ORDER: Pair(mean_duration_s(one), mean_duration_s(ordered)),
    }
    return Observation(
        pairs, {"rate (requests/s)": rate_per_s, "mean service (s)": 1.0 / _capacity_per_s(queues)}
    )


def _ours(quantity: str, number: float, source: str) -> Claim:
    where = "replicas that serve one request at a time, 90 % busy"
    return Claim(quantity, number, Effect.RATIO, "of the time", where, source, Origin.OURS)


CARD = Card(
    id="tech-scheduling-lb",
    title="Scheduling and load balancing (the power of two choices in randomized load balancing)",
    venue="IEEE TPDS",
    year=2001,
    claims=(
        Claim(
            MEAN,
            0.261,
            Effect.RATIO,
            "of the mean time",
            "queues that serve one customer at a time, exponential times, 90 % busy",
            "Mitzenmacher 2001, theorem on the mean time: the sum of 0.9^(2^i - 2), i from 1, is 2.61, that of "
            "0.9^(i - 1) is 10",
            Origin.PAPER,
        ),
        _ours(TAIL, 0.5, "ours, before the first run: half the tail is worth a look at a second replica"),
        _ours(ALL, 0.75, "ours, before the first run: a quarter of the tail is worth books of all replicas"),
        _ours(ORDER, 0.5, "ours, before the first run: half the mean time is worth knowing lengths"),
    ),
    mechanism="The router looks at the requests under way at two replicas that chance picks, and sends to the one with "
    "fewer: a queue then is k long doubly exponentially seldom in k, not exponentially.",
    files=(
        "weft/policies/power_of_two.py",
        "weft/policies/least_outstanding.py",
    ),
    baseline="A random replica, on the same engines; and, for what is gained by asking all of them, two choices.",
    grid=(
        Queues("one at a time, 90 % busy", 1, 0.9),
        Queues("one at a time, half busy", 1, 0.5),
        Queues("batches of 16, outputs of 100, 90 % busy", 16, 0.9, output_tokens=100.0),
        Queues("batches of 64, prompts of 1000, 90 % busy", 64, 0.9, (1000.0, 1.0), 100.0),
    ),
    quick=Queues("quick", 1, 0.8, replicas=8, num_requests=600),
    measure=measure,
    regime=Regime.SIMULATED,
    regime_reason="a claim on queues; which device serves them hardly matters",
    departures=(
        "16 queues, where the theorem has as many as one likes",
        "exponential numbers of output tokens in place of exponential times; a prompt of 16 tokens comes before them",
        "the first fifth is left out, which is short for one choice: its queues are still growing then",
    ),
    finding="Where a replica serves one request at a time, theory holds: a mean time of 0.32 times that of one choice "
    "at 90 % (0.26 for endless time and queues without number), of 0.64 at half load (0.63). In batches little of a "
    "request's time is waiting: with 16 rows the mean falls by a fifth, with 64 rows and prompts of 1000 tokens "
    "by 6 %, but the tail of the time to the first token to 0.14 and 0.41. Books of all replicas take it down "
    "further, to 0.24 and 0.86 of that of two choices. Order gains half of the mean time with one row and 90 % "
    "load, and nothing with 64: there nobody waits long.",
)
