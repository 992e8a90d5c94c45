"""Servers and engines under the same load, one after the other at each rate, by an objective that is fixed before."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TypeVar

from weft.contracts.errors import ConfigurationError
from weft.measurement.peers.driver_process import PeerFailed
from weft.measurement.peers.services import Service
from weft.measurement.peers.serving_entrants import Opening, ServingEntrant
from weft.measurement.peers.serving_load import (
    Asked,
    LoadResult,
    Objective,
    Reply,
    Served,
    judged,
    load_requests,
    replies,
)

Measured = TypeVar("Measured")

WARMING_REQUESTS = 8
ALONE_REQUESTS = 20
SLACK = 2.0
"""The objective is this many times what the best peer takes for a request that is alone."""


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """`objective`: None: by what the peers take for requests that are alone."""

    rates_per_s: Sequence[float]
    num_requests: int
    seed: int
    objective: Objective | None


@dataclass(frozen=True, slots=True)
class ServingOutcome:
    """`alone`: medians of requests one at a time; empty where the objective was given. `loads`: by rate and name."""

    objective: Objective
    alone: Mapping[str, Reply]
    loads: Mapping[float, Mapping[str, LoadResult]]
    failures: Mapping[str, str]


async def compare_serving(
    given: Opening, wanted: Sequence[ServingEntrant], plan: ServingPlan, tell: Callable[[str], object]
) -> ServingOutcome:
    """Start all, then measure in turns. Who fails is left out and named. Raises `ConfigurationError` where the
    objective is to come from peers and there is none."""
    failures: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        services: dict[str, Service] = {}
        for entrant in wanted:
            tell(f"{entrant.name}: files and loading")
            try:
                services[entrant.name] = await stack.enter_async_context(entrant.open(given))
            except PeerFailed as error:
                failures[entrant.name] = str(error)
        peers = [entrant.name for entrant in wanted if not entrant.is_ours]
        return await take_loads(services, peers, plan, tell, failures)


async def take_loads(
    services: Mapping[str, Service],
    peers: Sequence[str],
    plan: ServingPlan,
    tell: Callable[[str], object],
    failures: dict[str, str],
) -> ServingOutcome:
    """`peers`: names of those whose times alone make the objective. Who fails once is asked no more."""
    tell("warming up")
    warming = load_requests(1e3, WARMING_REQUESTS, plan.seed, "warming up")
    await _each(services, failures, lambda service: service.serve(warming))
    alone: Mapping[str, Reply] = {}
    if plan.objective is None:
        tell("requests one at a time")
        lonely = load_requests(1.0, ALONE_REQUESTS, plan.seed, "alone")
        alone = await _each(services, failures, lambda service: _alone(service, lonely))
    objective = plan.objective or _objective([alone[name] for name in peers if name in alone], failures)
    tell(f"objective: TTFT {1e3 * objective.ttft_s:.0f} ms, TPOT {1e3 * objective.tpot_s:.1f} ms")
    loads: dict[float, Mapping[str, LoadResult]] = {}
    for rate_per_s in plan.rates_per_s:
        load = load_requests(rate_per_s, plan.num_requests, plan.seed, f"at {rate_per_s}")
        found: dict[str, LoadResult] = {}
        for name in services:
            served = await _each({name: services[name]}, failures, partial(_serve, load))
            found |= {name: judged(load, each, objective) for name, each in served.items()}
            tell(f"{rate_per_s:g} requests/s, {name}: {_told(found.get(name))}")
        loads[rate_per_s] = found
    return ServingOutcome(objective, alone, loads, failures)


async def _each(
    services: Mapping[str, Service],
    failures: dict[str, str],
    measure: Callable[[Service], Awaitable[Measured]],
) -> dict[str, Measured]:
    """One after the other, those who have not failed."""
    found: dict[str, Measured] = {}
    for name, service in services.items():
        if name not in failures:
            try:
                found[name] = await measure(service)
            except PeerFailed as error:
                failures[name] = str(error)
    return found


def _told(result: LoadResult | None) -> str:
    return "failed" if result is None else f"goodput {result.goodput_per_s:.2f}/s"


async def _serve(load: Sequence[Asked], service: Service) -> list[Served]:
    return await service.serve(load)


async def _alone(service: Service, load: Sequence[Asked]) -> Reply:
    """Medians of requests that have the machine to themselves."""
    found: list[Reply] = []
    for asked in load:
        now = asked._replace(arrival_s=0.0)
        served = await service.serve([now])
        found += replies([now], served)
    return Reply(median(each.ttft_s for each in found), median(each.tpot_s for each in found))


def _objective(alone: Sequence[Reply], failures: Mapping[str, str]) -> Objective:
    if not alone:
        raise ConfigurationError(
            f"no other engine answers, so there is nothing to compare with{_reasons(failures)}; give --ttft-ms and "
            "--tpot-ms"
        )
    return Objective(SLACK * min(each.ttft_s for each in alone), SLACK * min(each.tpot_s for each in alone))


def _reasons(failures: Mapping[str, str]) -> str:
    return f" ({'; '.join(f'{name}: {reason}' for name, reason in failures.items())})" if failures else ""
