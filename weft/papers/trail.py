"""TRAIL: shortest remaining output first, by expected lengths."""

from random import Random
from typing import NamedTuple

from weft.contracts.options import ServingOptions
from weft.contracts.requests import Slo
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime
from weft.papers.trials import capacity_per_s, crowd, run_of, served
from weft.simulator.deployment import Deployment
from weft.workloads.arrivals import poisson
from weft.workloads.generators import requests
from weft.workloads.limits import Limited
from weft.workloads.registry import find_workload
from weft.workloads.sessions import Workload

LATENCY, TTFT = "mean latency", "mean time to the first token"
ORDERS = {"": "srpt", " (true lengths)": "srpt_oracle", " (nobody gives way)": "sjf"}
"""What is measured beside the claim: how far expectations are from knowledge, and what giving way is worth."""


TWO_KINDS = "two kinds"


class TwoKinds:
    """Short prompts with short outputs and long ones with long outputs, as often: here prompts tell outputs."""

    def draw(self, random: Random) -> tuple[int, int]:
        """Tokens of a prompt and of its output."""
        return (64, 32) if random.random() < 0.5 else (512, 512)


class Service(NamedTuple):
    """A point of the grid: a model, a named workload, at so many times the capacity, in batches of at most `batch`."""

    name: str
    model: str
    hardware: str
    workload: str
    load: float
    batch: int
    num_requests: int = 2000

    def requests(self, rate_per_s: float, seed: int) -> Workload:
        """Poisson arrivals of two kinds, or a named workload."""
        if self.workload == TWO_KINDS:
            return requests(poisson(rate_per_s), TwoKinds(), seed)
        return find_workload(self.workload, rate_per_s, seed)

    def deployment(self, order: str) -> Deployment:
        """The same engine with one order or another."""
        sizes = ServingOptions(max_num_seqs=self.batch, enable_prefix_caching=False)
        return served(self.model, self.hardware, sizes, budget="decode_first", order=order)


def measure(service: Service, seed: int) -> Observation:
    """Latencies under each order, of the same requests."""
    base = service.deployment("fcfs")
    rate = service.load * capacity_per_s(base, crowd(service.requests(1.0, seed), service.num_requests))
    load = Limited(service.requests(rate, seed), service.num_requests)
    old = run_of(base, load, Slo())
    pairs, details = {}, {"rate": rate, "p99 latency (s), fcfs": old.latency_p99_s}
    for name, order in ORDERS.items():
        new = run_of(service.deployment(order), load, Slo())
        pairs[LATENCY + name] = Pair(old.latency_mean_s, new.latency_mean_s)
        pairs[TTFT + name] = Pair(old.ttft_mean_s, new.ttft_mean_s)
        details[f"p99 latency (s), {order}"] = new.latency_p99_s
    return Observation(pairs, details)


def _claim(quantity: str, factor: float, source: str) -> Claim:
    where = "Llama-3-8B-instruct on an A100, Alpaca"
    return Claim(quantity, 1 / factor, Effect.RATIO, f"of it (1/{factor})", where, source, Origin.PAPER)


LLAMA = ("meta-llama/Llama-3.1-8B", "a100")

CARD = Card(
    id="trail",
    title="Don't Stop Me Now: Embedding Based Scheduling for LLMs",
    venue="ICLR",
    year=2025,
    claims=(
        _claim(LATENCY, 1.66, "abstract: 1.66 to 2.01 times lower than vLLM"),
        _claim(TTFT, 1.76, "abstract: 1.76 to 24.07 times lower than vLLM"),
    ),
    mechanism="The output that is expected to be done first runs first, also before those that run; what is expected "
    "is corrected as an output goes on.",
    files=(
        "weft/policies/shortest_remaining_first.py",
        "weft/policies/length_prediction.py",
        "weft/engine/displacement.py",
    ),
    baseline="First come, first served, on the same engine, memory and cost model.",
    grid=(
        Service("ShareGPT, at capacity", *LLAMA, "sharegpt", 1.0, 64),
        Service("ShareGPT, 1.2 times capacity", *LLAMA, "sharegpt", 1.2, 64),
        Service("ShareGPT, 0.8 times capacity", *LLAMA, "sharegpt", 0.8, 64),
        Service("conversations, at capacity", *LLAMA, "azure-conv", 1.0, 64),
        Service("two kinds, 1.2 times capacity", *LLAMA, TWO_KINDS, 1.2, 64),
    ),
    quick=Service("quick", *LLAMA, TWO_KINDS, 1.2, 16, 300),
    measure=measure,
    regime=Regime.SIMULATED,
    regime_reason="the claim is one of scheduling; an A100 is not at hand",
    departures=(
        "lengths are expected from those of outputs that ended, not from the model's own hidden states",
        "prompts and outputs are those of ShareGPT and of conversations; Alpaca's lengths are not at hand",
        "waiting counts (10 tokens per second), so that nobody starves",
        "the batch of 64 is ours: the paper does not say its bound in what was at hand",
    ),
    finding="What is expected decides. With true lengths mean latency falls to 0.59 at 1.2 times capacity and to "
    "0.92 at capacity, the time to the first token to 0.45 and 0.63. With lengths learned from prompts "
    "alone ShareGPT gains 2 to 5 %, because its prompts say nothing of their outputs; two kinds of "
    "requests that do say it gain a third. TRAIL's own predictor reads hidden states, which this one "
    "cannot. To let those that run give way added nothing here over the shortest job first, and without "
    "weighing what must be computed anew it made all slower, with true lengths too.",
)
