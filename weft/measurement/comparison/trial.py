"""One policy, one seed, one variation of a workload: simulated."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo
from weft.measurement.comparison.objectives import Judged
from weft.measurement.comparison.run_figures import RunFigures, run_figures
from weft.measurement.comparison.stays import Stays
from weft.measurement.simulation import bounded_workload, deployment_options
from weft.simulator.deployment import plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import simulate_service
from weft.workloads.sessions import Workload
from weft.workloads.variations import OtherArrivals, OtherLengths

LONELY_PER_S = 1e-4
"""A rate at which requests do not meet."""
TTFT_SCALE, TPOT_SCALE = 5.0, 2.0
"""Objectives where none are given, as multiples of what requests take that are alone: choices of ours."""


class Variation(NamedTuple):
    """How a workload is changed: `load` times its rate, `outputs` times as long, and, above 0, gaps of arrivals with
    the coefficient of variation `burstiness`."""

    load: float = 1.0
    outputs: float = 1.0
    burstiness: float = 0.0


PLAIN = Variation()


class Question(NamedTuple):
    """What all trials of a comparison have in common. `rate`: requests per second. `objective`: what requests are
    judged by that name none themselves. `shorten`: lengths are divided by it. `told`: which of the objectives requests
    name to the server, one of `TOLD`."""

    model: str
    workload: str
    rate: float
    requests: int
    options: DeploymentOptions
    objective: Slo
    shorten: float = 1.0
    told: str = "both"


def run_trial(
    question: Question, choices: Mapping[str, str], seed: int, variation: Variation = PLAIN
) -> RunFigures:
    """The same arguments give the same figures."""
    outcomes, stays = list[RequestOutcome](), Stays()
    deployment = plan_deployment(question.model, deployment_options(question.options, dict(choices)))
    load = judged(question, seed, variation)
    replicas = simulate_service(deployment, load, outcomes.append, stays.watch, seed, 1)
    return run_figures(outcomes, stays, load, sum(each.preemptions for each in replicas))


def judged(question: Question, seed: int, variation: Variation) -> Judged:
    """The workload of a trial, whose requests name what they are judged by."""
    return Judged(varied(question, seed, variation), question.objective, question.told)


def varied(question: Question, seed: int, variation: Variation) -> Workload:
    """The workload of a trial: sessions depend on the seed, and on nothing that the variation does not name."""
    rate = question.rate * variation.load
    found = bounded_workload(question.workload, rate, seed, question.requests, None)
    found = OtherLengths(found, 1.0 / question.shorten, variation.outputs / question.shorten)
    if not variation.burstiness:
        return found
    return OtherArrivals(found, rate / _turns_per_session(found), variation.burstiness, seed)


def _turns_per_session(workload: Workload) -> float:
    numbers = [len(tuple(session.turns)) for session in workload.sessions()]
    return sum(numbers) / len(numbers)


LONELY = Variation(burstiness=0.1)
"""Nearly regular arrivals."""
NUM_LONELY = 40

Run = Callable[..., RunFigures]
"""Takes what `run_trial` does."""


def with_objective(question: Question, run: Run, lonely_per_s: float) -> Question:
    """With the objectives that are given, and for the rest multiples of the median times of requests that are alone."""
    given = question.objective
    if given.ttft_s is not None and given.tpot_s is not None:
        return question
    alone = question._replace(rate=lonely_per_s, requests=NUM_LONELY, objective=Slo())
    found = run(alone, {}, 0, LONELY)
    ttft_s = TTFT_SCALE * found.ttft_p50_s if given.ttft_s is None else given.ttft_s
    tpot_s = TPOT_SCALE * found.tpot_p50_s if given.tpot_s is None else given.tpot_s
    return question._replace(objective=Slo(ttft_s, tpot_s))


def own_rate_per_s(workload: str) -> float:
    """Requests per second of a workload as it is, over its first thousand."""
    sessions = list(bounded_workload(workload, None, 0, 1000, None).sessions())
    if len(sessions) < 2 or sessions[-1].arrival_s <= sessions[0].arrival_s:
        raise ConfigurationError(
            f"workload {workload} has no rate of its own; say at which --rate to play it"
        )
    num_turns = sum(len(tuple(each.turns)) for each in sessions[:-1])
    return num_turns / (sessions[-1].arrival_s - sessions[0].arrival_s)
