"""What a service does that is asked for several times what it can give: the bodies run in virtual time here.

Llama-3.1-8B on an H100, by the roofline alone. How fast is fast enough was fixed beforehand: twice the times of a
request that is alone. Prompts have 1,000 tokens, outputs 400 to 800.
"""

import asyncio
from functools import cache
from statistics import quantiles

import pytest

from tests.measurement.overloaded_service import simulated
from weft.contracts.requests import Slo
from weft.measurement.overload import (
    Answered,
    Ask,
    Clients,
    Load,
    Outcome,
    Question,
    Refused,
    goodput_per_s,
    share_kept,
)

PROMPT, OUTPUT = (1000, 1000), (400, 800)
CAPACITY_PER_S = 8.0
"""Near where goodput stops to grow with load."""


@cache
def twice_unloaded() -> Slo:
    async def alone(ask: Ask) -> Slo:
        now = asyncio.get_running_loop().time
        answer = await ask(Question(now(), "default", 1000, 600))
        assert isinstance(answer, Answered)
        return Slo(2 * answer.first_token_s, 2 * (answer.ended_s - answer.first_token_s) / 599)

    return simulated(alone, None)


def load(rate_per_s: float, end_s: float, begin_s: float = 0.0, tenant: str = "default") -> Load:
    return Load(rate_per_s, end_s, begin_s, tenant, PROMPT, OUTPUT)


@cache
def goodput(factor: float, slo: Slo, objective: Slo | None) -> float:
    async def body(ask: Ask) -> list[Outcome]:
        return await Clients(ask).play(load(factor * CAPACITY_PER_S, 20.0))

    return goodput_per_s(simulated(body, objective), slo, 8.0, 20.0)


@pytest.mark.parametrize("ttft_s", [None, 0.25], ids=["both-strict", "tpot-strict"])
def test_goodput_stays_where_it_was_under_ten_times_the_load(ttft_s: float | None) -> None:
    """Also where the time to the first token leaves room to wait, so that the other objective binds."""
    slo = twice_unloaded() if ttft_s is None else Slo(ttft_s, twice_unloaded().tpot_s)
    measured = {factor: goodput(factor, slo, slo) for factor in (0.7, 1.0, 1.5, 5.0, 10.0)}
    peak = max(measured.values())
    assert measured[5.0] >= 0.95 * peak
    assert measured[10.0] >= 0.90 * peak


def test_without_an_objective_it_falls() -> None:
    slo = twice_unloaded()
    lax = Slo(0.25, slo.tpot_s)
    assert goodput(2.0, lax, None) < 0.5 * goodput(1.0, lax, lax)


def test_after_a_pulse_of_retrying_clients_it_recovers_within_five_seconds() -> None:
    """Half of what it can give, and for 30 s ten times what it can."""
    objective = Slo(0.25, twice_unloaded().tpot_s)

    async def body(ask: Ask) -> list[Outcome]:
        clients = Clients(ask, most_attempts=3)
        return await clients.play(load(4.0, 65.0), load(80.0, 45.0, 15.0))

    outcomes = simulated(body, objective)
    before, during = share_kept(outcomes, objective, 5.0, 15.0), share_kept(outcomes, objective, 20.0, 45.0)
    after = share_kept(outcomes, objective, 50.0, 65.0)
    assert during < 0.5
    assert after >= 0.9 * before
    assert any(each.num_attempts == 3 for each in outcomes)


def quiet_p99_s(noise_per_s: float) -> float:
    """Of nine tenants, beside one that asks as much as is said."""

    async def body(ask: Ask) -> list[Outcome]:
        quiet = [load(0.3, 60.0, tenant=f"quiet{index}") for index in range(9)]
        return await Clients(ask, seed=1).play(*quiet, load(noise_per_s, 60.0, tenant="noisy"))

    outcomes = simulated(body, twice_unloaded(), "vtc")
    quiet = [each for each in outcomes if each.question.tenant != "noisy"]
    answered = [each.ttft_s for each in quiet if each.answer is not None]
    assert len(answered) >= 0.8 * len(quiet)
    return quantiles(answered, n=100)[-1]


def test_a_tenant_that_asks_ten_times_as_much_hardly_delays_the_others() -> None:
    assert quiet_p99_s(3.0) <= 1.2 * quiet_p99_s(0.3)


def test_clients_come_back_when_they_are_told_and_give_up_at_last() -> None:
    asked_s: list[float] = []

    async def refuse(_question: Question) -> Refused:
        asked_s.append(asyncio.get_running_loop().time())
        return Refused(2.0)

    async def body(_ask: Ask) -> list[Outcome]:
        return await Clients(refuse, most_attempts=3).play(load(1.0, 6.0))

    outcomes = simulated(body, None)
    assert {(each.answer, each.num_attempts) for each in outcomes} == {(None, 3)}
    assert len(asked_s) == 3 * len(outcomes)
    first, *_ = outcomes
    assert not first.keeps(Slo(1.0, 1.0))
    begun_s = min(each.question.sent_s for each in outcomes)
    assert begun_s + 2 * 2.0 <= max(asked_s) <= 6.0 + 2 * 3.0
