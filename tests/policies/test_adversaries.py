"""Loads that are out to harm: tenants that game what is learned, that send only long prompts, that come all at once."""

from statistics import fmean
from typing import Any

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.observation.metrics import EngineMetrics
from weft.observation.timeline import timeline
from weft.policies.registry import POLICIES

PATIENT = ["fcfs", "priority", "edf", "sjf", "srpt", "hrrn", "vtc", "tiny_quanta:quantum_tokens=4"]
"""Orders under which nobody waits for ever."""
MOST_STEPS = 1500


def flooded(order: str) -> int | None:
    """A long request waits while a short one comes at every step; after how many steps it is done."""
    engine = SmallEngine(order=order, max_running=1, max_queued_tokens=10_000_000)
    engine.submit(*(ask(f"first{index}", 4, 2) for index in range(3)))
    engine.step()
    engine.submit(ask("long", 8, 40, tenant="patient"))
    for step in range(MOST_STEPS):
        engine.submit(ask(f"short{step}", 4, 1, tenant="flood"))
        engine.step()
        if "long" in engine.ends:
            return step
    return None


@pytest.mark.parametrize("order", PATIENT)
def test_a_flood_of_short_ones_starves_nobody(order: str) -> None:
    assert flooded(order) is not None


def test_without_ageing_a_flood_of_short_ones_starves_a_long_one() -> None:
    """So the test above can fail."""
    assert flooded("sjf:ageing_tokens_per_s=0") is None


def completion_s(order: str, *requests: Request) -> dict[str, float]:
    engine = SmallEngine(order=order, max_running=2)
    engine.submit(*(ask(f"lure{index}", 4, 1, tenant="cheat") for index in range(10)))
    engine.run()
    begun_s = engine.now_s
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    return {each.request_id: engine.ends[each.request_id].time_s - begun_s for each in requests}


@pytest.mark.parametrize("order", ["sjf", "srpt", "hrrn"])
def test_a_tenant_that_looks_short_and_is_long_gains_little(order: str) -> None:
    """Ten short outputs taught the predictor; then the same tenant asks for long ones."""
    long = [ask(f"cheat{index}", 4, 60, tenant="cheat") for index in range(4)]
    honest = [ask(f"honest{index}", 4, 8, tenant="honest") for index in range(4)]
    learned, arrived = (completion_s(each, *long, *honest) for each in (order, "fcfs"))
    mine = [fmean(times[each.request_id] for each in honest) for times in (learned, arrived)]
    assert mine[0] <= 1.1 * mine[1]


def test_a_tenant_of_long_prompts_gets_no_more_than_its_share() -> None:
    engine = SmallEngine(order="vtc", max_running=2, num_blocks=200)
    engine.submit(*(ask(f"long{index}", 60, 4, tenant="long") for index in range(20)))
    engine.submit(*(ask(f"short{index}", 4, 4, tenant="short") for index in range(20)))
    for _ in range(60):
        engine.step()
    done = list(engine.ends)
    assert sum(name.startswith("short") for name in done) > 2 * sum(name.startswith("long") for name in done)


EACH_ALONE = [(kind, name) for kind in ("order", "budget", "preempt", "retain") for name in POLICIES[kind]]


@pytest.mark.parametrize(("kind", "name"), EACH_ALONE)
def test_bursts_that_come_all_at_once_are_served_to_the_end(kind: str, name: str) -> None:
    settings: dict[str, Any] = {kind: name, "num_blocks": 40, "max_running": 4, "max_queued_tokens": 100_000}
    engine = SmallEngine(**settings)
    requests = []
    for burst in range(4):
        new = [
            ask(f"{burst}.{index}", 3 + index % 17, 1 + index % 9, tenant=f"t{index % 3}")
            for index in range(15)
        ]
        engine.submit(*new)
        requests += new
        for _ in range(6):
            engine.step()
    engine.run()
    engine.expect(*requests)


def steps_beside_long_prompts(budget: str) -> int | None:
    """One decodes while a long prompt comes at every step; after how many steps it is done."""
    engine = SmallEngine(budget=budget, max_running=4, num_blocks=400, max_queued_tokens=10_000_000)
    engine.submit(ask("patient", 4, 12, tenant="patient"))
    engine.step()
    for step in range(MOST_STEPS):
        engine.submit(ask(f"long{step}", 60, 1, tenant="flood"))
        engine.step()
        if "patient" in engine.ends:
            return step
    return None


@pytest.mark.parametrize("budget", [each for each in POLICIES["budget"] if each != "prefill_first"])
def test_a_flood_of_long_prompts_does_not_stop_those_who_get_tokens(budget: str) -> None:
    assert steps_beside_long_prompts(budget) is not None


def test_prompts_first_means_that_a_flood_of_them_stops_all_others() -> None:
    """Which docs/policies.md says."""
    assert steps_beside_long_prompts("prefill_first") is None


@pytest.mark.parametrize("preempt", POLICIES["preempt"])
@pytest.mark.parametrize("order", ["fcfs", "srpt", "tiny_quanta:quantum_tokens=2"])
def test_a_load_that_makes_state_move_all_the_time_gets_done_and_the_time_lost_is_told(
    order: str, preempt: str
) -> None:
    engine = SmallEngine(
        order=order,
        preempt=preempt,
        num_blocks=14,
        max_running=8,
        num_host_blocks=40,
        max_queued_tokens=10_000,
    )
    metrics = EngineMetrics(engine.log)
    requests = [ask(f"r{index}", 8, 24) for index in range(8)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    moved = sum(
        status is Status.PREEMPTED for each in requests for status, _ in engine.moves(each.request_id)
    )
    assert moved > 0
    lost_s = [timeline(engine.log.events(), each.request_id).preempted_s for each in requests]
    assert 0.0 < sum(lost_s) == pytest.approx(metrics.preempted_seconds.value)
    assert sum(metrics.num_preemptions.by_label.values()) > 0
