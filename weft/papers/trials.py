"""Simulated services for cards: play a workload, leave the warm-up out, find the highest rate that is still good."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import inf

from weft.contracts.events import Status
from weft.contracts.options import ServingOptions
from weft.contracts.requests import Slo
from weft.engine.config import Reservation
from weft.measurement.comparison.objectives import Judged
from weft.measurement.comparison.run_figures import RunFigures, run_figures
from weft.measurement.comparison.stays import Stays
from weft.measurement.statistics import quantile
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_costs import PLAIN_ROOFLINE
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import Prepare, Watch, simulate_service
from weft.workloads.limits import Limited
from weft.workloads.sessions import Workload
from weft.workloads.variations import OtherArrivals

WARM_UP_SHARE = 0.2
"""Of the requests, the first, which find an empty server."""

REFINEMENTS = 4
"""Bisections between a rate that is good and its double: to 2^(1/16), which is 4 %."""

LEAST_REQUESTS, LEAST_DURATIONS = 100, 10.0
"""Of a run at a rate, where a card does not say otherwise; see `enough_requests`."""

LONELY_PER_S = 1e-4
"""A rate at which requests do not meet."""

MOST_DOUBLINGS = 16

CROWD_PER_S = 1e6


def served(
    model: str,
    hardware: str,
    sizes: ServingOptions,
    *,
    budget: str,
    order: str = "fcfs",
    tp: int = 1,
    pp: int = 1,
) -> Deployment:
    """A model on devices of a kind, one replica, with a scheduler, on the plain roofline, and with a host that
    prepares steps while others run: stored results rest on both. Raises `ConfigurationError` for what cannot be."""
    options = DeploymentOptions(
        hardware=hardware,
        tp=tp,
        pp=pp,
        profiles=PLAIN_ROOFLINE,
        server="weft",
        budget=budget,
        order=order,
        serving=sizes,
    )
    return plan_deployment(model, options)


def run_of(deployment: Deployment, workload: Workload, objective: Slo) -> RunFigures:
    """All figures of a run, its warm-up left out; its requests name no objective."""
    outcomes, stays = list[RequestOutcome](), Stays()
    load = Judged(workload, objective, "none")
    replicas = simulate_service(deployment, load, outcomes.append, stays.watch)
    return run_figures(outcomes, stays, load, sum(each.preemptions for each in replicas))


def crowd(workload: Workload, number: int) -> Workload:
    """So many of its requests, all at about time 0, to find a capacity by."""
    return Limited(OtherArrivals(workload, CROWD_PER_S, 1.0), number)


def reserving(deployment: Deployment) -> Deployment:
    """The same, with all blocks that a request could need taken in one run at its start."""
    return replace(deployment, config=replace(deployment.config, reservation=Reservation.WORST_CASE))


def play(
    deployment: Deployment, workload: Workload, watch: Watch | None = None, prepare: Prepare | None = None
) -> list[RequestOutcome]:
    """How the requests that were answered fared, in order of arrival, without those of the warm-up."""
    outcomes: list[RequestOutcome] = []
    simulate_service(deployment, workload, outcomes.append, watch, prepare=prepare)
    outcomes.sort(key=lambda outcome: outcome.arrival_s)
    kept = outcomes[int(WARM_UP_SHARE * len(outcomes)) :]
    return [outcome for outcome in kept if outcome.status is Status.FINISHED]


def enough_requests(rate_per_s: float, duration_s: float, least: int, durations: float) -> int:
    """So many that a queue would show: at least `least`, and arriving over `durations` times `duration_s`."""
    return max(least, round(rate_per_s * durations * duration_s))


def normalised_s(outcome: RequestOutcome) -> float:
    """Seconds per output token from arrival to end: the latency of Orca's and vLLM's figures."""
    return (outcome.ended_s - outcome.arrival_s) / outcome.output_tokens


def mean_duration_s(outcomes: Sequence[RequestOutcome]) -> float:
    """Seconds from arrival to end, the mean."""
    return sum(outcome.ended_s - outcome.arrival_s for outcome in outcomes) / len(outcomes)


def ttft_s(outcome: RequestOutcome) -> float:
    """Seconds to the first token of a request that was answered."""
    return inf if outcome.first_token_s is None else outcome.first_token_s - outcome.arrival_s


def p99_latency_s(outcomes: Sequence[RequestOutcome]) -> float:
    """The 99th percentile of the time from arrival to end."""
    return quantile([outcome.ended_s - outcome.arrival_s for outcome in outcomes], 0.99)


def p99_ttft_s(outcomes: Sequence[RequestOutcome]) -> float:
    """The 99th percentile of the time to the first token."""
    return quantile([ttft_s(outcome) for outcome in outcomes], 0.99)


def highest_rate(is_good: Callable[[float], bool], start_per_s: float) -> float:
    """The highest rate that is good, to 4 %, for a predicate that fails from some rate on.

    Doubles from `start_per_s`, or halves where that is not good, until the border is between two rates; 0.0 where
    nothing is good.
    """
    low = start_per_s
    for _ in range(MOST_DOUBLINGS):
        if is_good(low):
            break
        low /= 2.0
    else:
        return 0.0
    for _ in range(MOST_DOUBLINGS):
        if low < start_per_s or not is_good(2.0 * low):
            break
        low *= 2.0
    return _refined(is_good, low, 2.0 * low)


def best_choice(
    choices: Sequence[int], is_good: Callable[[int, float], bool], start_per_s: float
) -> tuple[int, float]:
    """The choice that allows the highest rate, and the rate. One that is not better by a step is left there."""
    best, best_per_s = choices[0], highest_rate(partial(is_good, choices[0]), start_per_s)
    step = 2.0**0.5**REFINEMENTS
    for choice in choices[1:]:
        if is_good(choice, step * best_per_s):
            best, best_per_s = choice, highest_rate(partial(is_good, choice), step * best_per_s)
    return best, best_per_s


def _refined(is_good: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(REFINEMENTS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if is_good(middle) else (low, middle)
    return low


def capacity_per_s(deployment: Deployment, crowd: Workload) -> float:
    """Requests per second while more than enough wait; all of `crowd` must arrive at about time 0.

    Counted over the middle three fifths of the ends, so that neither filling up nor draining matters.
    """
    ends: list[float] = []
    simulate_service(deployment, crowd, lambda outcome: ends.append(outcome.ended_s))
    ends.sort()
    first, last = len(ends) // 5, 4 * len(ends) // 5
    return (last - first) / (ends[last] - ends[first])
