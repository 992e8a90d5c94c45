"""What one run says of a policy."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from weft.contracts.errors import WeftError
from weft.contracts.events import Status
from weft.contracts.requests import Slo
from weft.measurement.comparison.objectives import Judged
from weft.measurement.comparison.stays import Stays
from weft.measurement.statistics import quantile
from weft.policies.experience import Expectation
from weft.simulator.request_outcome import RequestOutcome


class MeasurementError(WeftError):
    """A run has nothing to measure."""


WARM_UP_SHARE = 0.2
"""Of the requests, the first, which find an empty server, are left out."""
READING_TOKENS_PER_S = 4.8
"""What a reader expects where there is no objective: the reading speed of Andes (arXiv 2404.16283, section 2)."""


class RunFigures(NamedTuple):
    """Of the requests after the warm-up; latencies of those answered, in seconds from their arrival.

    `goodput_per_s`: requests per second of those that met both objectives. `per_token_s`: to the last token, per output
    token. `failed`: the share that was refused or failed. `fairness`: Jain's index of tenants' mean `per_token_s`; 1:
    all alike (and where there is one only). `experience`: the mean quality of experience; refused requests have none.
    `preemptions`: per request. `cached`: the share of the tokens of sequences about to run that was found in the cache.
    """

    goodput_per_s: float
    ttft_mean_s: float
    ttft_p50_s: float
    ttft_p99_s: float
    tpot_p50_s: float
    tpot_p99_s: float
    latency_mean_s: float
    latency_p99_s: float
    per_token_s: float
    failed: float
    fairness: float
    experience: float
    preemptions: float
    cached: float


MORE_IS_BETTER = ("goodput_per_s", "fairness", "experience")


def run_figures(
    outcomes: Sequence[RequestOutcome], stays: Stays, load: Judged, preemptions: int
) -> RunFigures:
    """Of all outcomes of a run, in any order, judged by the objectives of `load`, whose sessions were played.
    `preemptions`: of the whole run. Raises `MeasurementError` where nothing was answered, with what the first one that
    failed was told."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.arrival_s)
    kept = ordered[int(WARM_UP_SHARE * len(ordered)) :]
    done = [each for each in kept if each.status is Status.FINISHED and each.first_token_s is not None]
    if len(done) < 2:
        reason = next(
            (each.reason for each in ordered if each.status is not Status.FINISHED), "too few requests"
        )
        raise MeasurementError(
            f"{len(done)} of {len(kept)} requests after the warm-up were answered: {reason}"
        )
    ttfts_s, tpots_s = [ttft_s(each) for each in done], [tpot_s(each) for each in done]
    latencies_s = [each.ended_s - each.arrival_s for each in done]
    duration_s = kept[-1].arrival_s - kept[0].arrival_s
    good = sum(_meets(each, load.objective(each.request_id)) for each in done)
    per_token_s = {each.request_id: _per_token_s(each) for each in done}
    qualities = [stays.quality(each, _expected(load.objective(each.request_id))) for each in done]
    return RunFigures(
        good / duration_s,
        fmean(ttfts_s),
        quantile(ttfts_s, 0.5),
        quantile(ttfts_s, 0.99),
        quantile(tpots_s, 0.5),
        quantile(tpots_s, 0.99),
        fmean(latencies_s),
        quantile(latencies_s, 0.99),
        fmean(per_token_s.values()),
        1.0 - len(done) / len(kept),
        jain(_by_tenant(per_token_s, stays.tenants)),
        sum(qualities) / len(kept),
        preemptions / len(ordered),
        stays.cached_share([each.request_id for each in kept]),
    )


def ttft_s(outcome: RequestOutcome) -> float:
    """To the first token, of one that has one."""
    assert outcome.first_token_s is not None
    return outcome.first_token_s - outcome.arrival_s


def tpot_s(outcome: RequestOutcome) -> float:
    """Per output token after the first."""
    assert outcome.first_token_s is not None
    return (outcome.ended_s - outcome.first_token_s) / max(1, outcome.output_tokens - 1)


def jain(values: Sequence[float]) -> float:
    """From 1/n to 1 (Jain, Chiu and Hawe, DEC-TR-301, 1984); 1 where there is nothing to compare."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def _meets(outcome: RequestOutcome, objective: Slo) -> bool:
    in_time = objective.ttft_s is None or ttft_s(outcome) <= objective.ttft_s
    return in_time and (objective.tpot_s is None or tpot_s(outcome) <= objective.tpot_s)


def _per_token_s(outcome: RequestOutcome) -> float:
    return (outcome.ended_s - outcome.arrival_s) / max(1, outcome.output_tokens)


def _by_tenant(values: Mapping[str, float], tenants: Mapping[str, str]) -> list[float]:
    found: dict[str, list[float]] = {}
    for name, value in values.items():
        found.setdefault(tenants.get(name, ""), []).append(value)
    return [fmean(each) for each in found.values()]


def _expected(objective: Slo) -> Expectation:
    return Expectation(1.0 if objective.ttft_s is None else objective.ttft_s, READING_TOKENS_PER_S)
