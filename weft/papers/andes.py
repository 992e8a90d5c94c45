"""Andes: who gains most quality of experience is served."""

from typing import NamedTuple

from weft.contracts.options import ServingOptions
from weft.contracts.requests import Slo
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime
from weft.papers.trials import capacity_per_s, crowd, run_of, served
from weft.simulator.deployment import Deployment
from weft.workloads.limits import Limited
from weft.workloads.registry import find_workload

QUALITY = "mean quality of experience"
EXPECTED = Slo(1.0, None)
"""The first token within a second, then 4.8 tokens per second, which is what `andes` takes for granted."""


class Service(NamedTuple):
    """A point of the grid: a model on `tp` devices, a named workload, at so many times the capacity of the baseline."""

    name: str
    model: str
    hardware: str
    tp: int
    workload: str
    load: float
    num_requests: int = 1500

    def deployment(self, order: str) -> Deployment:
        """vLLM as it was, prompts first, with one order or another."""
        sizes = ServingOptions(max_model_len=2048, enable_prefix_caching=False)
        return served(self.model, self.hardware, sizes, budget="prefill_first", order=order, tp=self.tp)


def measure(service: Service, seed: int) -> Observation:
    """What readers experience under both orders, of the same requests."""
    base = service.deployment("fcfs")
    unbounded = find_workload(service.workload, 1.0, seed)
    rate = service.load * capacity_per_s(base, crowd(unbounded, service.num_requests))
    load = Limited(find_workload(service.workload, rate, seed), service.num_requests)
    old, new = (run_of(service.deployment(order), load, EXPECTED) for order in ("fcfs", "andes"))
    pairs = {QUALITY: Pair(old.experience, new.experience)}
    details = {
        "rate": rate,
        "mean TTFT (s)": (old.ttft_mean_s, new.ttft_mean_s),
        "mean latency (s)": (old.latency_mean_s, new.latency_mean_s),
        "preemptions per request": (old.preemptions, new.preemptions),
    }
    return Observation(pairs, details)


OPT = ("facebook/opt-66b", "a100", 4)

CARD = Card(
    id="andes",
    title="Andes: Defining and Enhancing Quality-of-Experience in LLM-Based Text Streaming Services",
    venue="arXiv",
    year=2024,
    claims=(
        Claim(
            QUALITY,
            3.2,
            Effect.RATIO,
            "times the quality (up to 3.2)",
            "OPT-66B on four A100, ShareGPT, at a high rate",
            "abstract of the first version, arXiv 2404.16283v1",
            Origin.PAPER,
        ),
    ),
    mechanism="At each step those are served whose readers gain most experience per token of state over the next "
    "while; others give way, since they have text to read, with a bound on preemptions per request.",
    files=(
        "weft/policies/quality_of_experience.py",
        "weft/policies/experience.py",
        "weft/engine/displacement.py",
    ),
    baseline="First come, first served, on the same engine, memory and cost model.",
    grid=(
        Service("OPT-66B, ShareGPT, 1.5 times capacity", *OPT, "sharegpt", 1.5),
        Service("OPT-66B, ShareGPT, 1.2 times capacity", *OPT, "sharegpt", 1.2),
        Service("OPT-66B, ShareGPT, 0.9 times capacity", *OPT, "sharegpt", 0.9),
        Service("OPT-66B, arena, 1.2 times capacity", *OPT, "arena", 1.2),
    ),
    quick=Service("quick", "facebook/opt-13b", "a100-40gb", 1, "sharegpt", 1.5, 200),
    measure=measure,
    regime=Regime.SIMULATED,
    regime_reason="the claim is one of scheduling; A100 are not at hand",
    departures=(
        "the rates are multiples of the baseline's capacity; the paper's, in requests per second, fit its own machines",
        "tokens are taken to come evenly while a request runs; stalls within a stay are not seen",
        "ranks of those that wait are asked anew every 0.1 s, not at every step",
    ),
    finding="At 1.5 times the capacity quality rises 2.9 times, at 1.2 times 1.6, below capacity not at all, as "
    "nobody waits. It is bought with preemptions and latency: nearly every request gives way once, which "
    "is the bound, and a whole answer takes up to 1.8 times as long.",
)
