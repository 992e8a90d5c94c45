"""What one decision of each policy costs, with so many sequences running and as many waiting, or so many replicas."""

from collections.abc import Callable

from weft.contracts.events import RequestArrived
from weft.contracts.execution import ExecutorTraits
from weft.contracts.policies import BlocksCached, BlocksIdled, RetainPolicy
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams, Slo
from weft.contracts.state import PagedGroup, StateLayout
from weft.contracts.steps import StepResult
from weft.engine.config import EngineConfig
from weft.engine.engine import Engine
from weft.measurement.decision_cost import DecisionCost, microseconds
from weft.measurement.route_bench import route_costs
from weft.policies.choices import KINDS
from weft.policies.registry import (
    POLICIES,
    PolicyChoice,
    make_budget_policy,
    make_order_policy,
    make_preempt_policy,
    make_retain_policy,
)

PROMPT_TOKENS, OUTPUT_TOKENS = 32, 256
GIVEN_TOKENS = 96
"""That each has that runs where it is about who gives way; elsewhere, and another time there, each has one."""
BEGUN_S, STEP_S = 1.0, 0.02
NOW_S = BEGUN_S + GIVEN_TOKENS * STEP_S + 0.1
"""Those that run arrived within the first second and got their tokens from then on. Those that wait come now."""
BLOCKS_PER_SEQUENCE = 16
"""Idle ones, of which the retain policy gives up as many at once as a sequence of this length takes."""
NUM_TENANTS = 8


def bench_policies(num_sequences: int) -> list[DecisionCost]:
    """Every policy that ships, by kind and name."""
    return [
        cost
        for kind in (*KINDS, "route")
        for name in POLICIES[kind]
        for cost in _COSTS[kind](name, num_sequences)
    ]


def _loaded(num_sequences: int, order: PolicyChoice = "fcfs", given_tokens: int = 1) -> Engine:
    """An engine in which so many run, each with so many tokens, and as many wait."""
    layout = StateLayout((PagedGroup("kv", bytes_per_token=1),))
    config = EngineConfig(
        layout,
        {"kv": 64 * num_sequences},
        max_running=num_sequences,
        max_step_tokens=num_sequences * (PROMPT_TOKENS + 1),
        max_queued_tokens=1 << 40,
        order=order,
    )
    engine = Engine(config, ExecutorTraits(1, "none"))
    for number in range(num_sequences):
        engine.submit(_request(number), BEGUN_S * number / num_sequences)
    for index in range(given_tokens):
        now_s = BEGUN_S + STEP_S * index
        step = engine.schedule(now_s)
        assert step is not None
        engine.update(StepResult(step.number, [0] * num_sequences), now_s + STEP_S)
    for number in range(num_sequences, 2 * num_sequences):
        engine.submit(_request(number), NOW_S)
    return engine


def _request(number: int) -> Request:
    prompt, sampling = LengthPrompt(PROMPT_TOKENS), SamplingParams(max_tokens=OUTPUT_TOKENS + number % 64)
    return Request(
        f"r{number}",
        prompt,
        sampling,
        f"tenant-{number % NUM_TENANTS}",
        number % 3,
        Slo(None, 0.2),
        f"s{number}",
    )


def _order(name: str, num_sequences: int) -> list[DecisionCost]:
    order = make_order_policy(name)
    view = _loaded(num_sequences, lambda: order).view
    waiting = list(view.waiting)
    ranking = microseconds(lambda: [order.decide(view, each, NOW_S) for each in waiting])
    costs = [DecisionCost("order", name, "a rank", ranking / len(waiting))]
    if order.displaces:
        costs.append(_displacing(name, num_sequences, GIVEN_TOKENS, "who gives way to the first"))
        costs.append(_displacing(name, num_sequences, 1, "the same, all with a token"))
    return costs


def _displacing(name: str, num_sequences: int, given_tokens: int, decision: str) -> DecisionCost:
    order = make_order_policy(name)
    view = _loaded(num_sequences, lambda: order, given_tokens).view
    first, running = view.waiting[0], list(view.running)
    cost = microseconds(lambda: order.displace(view, first, running, NOW_S))
    return DecisionCost("order", name, decision, cost)


def _budget(name: str, num_sequences: int) -> list[DecisionCost]:
    view, budget = _loaded(num_sequences).view, make_budget_policy(name)
    return [DecisionCost("budget", name, "a step's shares", microseconds(lambda: budget.decide(view, NOW_S)))]


def _preempt(name: str, num_sequences: int) -> list[DecisionCost]:
    view, preempt = _loaded(num_sequences).view, make_preempt_policy(name)
    running = list(view.running)
    cost = microseconds(lambda: preempt.decide(view, running, NOW_S))
    return [DecisionCost("preempt", name, "who gives way", cost)]


def _retain(name: str, num_sequences: int) -> list[DecisionCost]:
    retain = make_retain_policy(name)
    for number in range(num_sequences):
        _retire(retain, number)
    return [
        DecisionCost(
            "retain",
            name,
            f"{BLOCKS_PER_SEQUENCE} blocks",
            microseconds(lambda: retain.decide(BLOCKS_PER_SEQUENCE)),
        )
    ]


def _retire(retain: RetainPolicy, number: int) -> None:
    """A sequence's blocks are cached and then idle."""
    request = _request(number)
    blocks = list(range(number * BLOCKS_PER_SEQUENCE, (number + 1) * BLOCKS_PER_SEQUENCE))
    if BlocksCached in retain.observes:
        retain.observe(BlocksCached(blocks, request, 0))
    if RequestArrived in retain.observes:
        retain.observe(RequestArrived(0.0, request.request_id, request.tenant, 1, 1, request.session))
    retain.observe(BlocksIdled(blocks[::-1]))


_COSTS: dict[str, Callable[[str, int], list[DecisionCost]]] = {
    "order": _order,
    "budget": _budget,
    "preempt": _preempt,
    "retain": _retain,
    "route": route_costs,
}
