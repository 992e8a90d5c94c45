"""The virtual token counter: equal service for tenants that wait, and no more than the paper's bound between them."""

from collections import Counter
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.errors import RequestRejected
from weft.contracts.events import RequestArrived, RequestEnded, Status, Transition
from weft.contracts.requests import Request
from weft.policies.virtual_token_counter import MOST_TENANTS, OUTPUT_WEIGHT, VirtualTokenCounter

BLOCK_TOKENS = 4


class Fair:
    """A small engine under the policy, and what each tenant got of it, counted from outside."""

    def __init__(self, weights: dict[str, float] | None = None, **config: int) -> None:
        self.policy = VirtualTokenCounter(weights)
        self.engine = SmallEngine(order=lambda: self.policy, **config)  # type: ignore[arg-type]
        self.requests: dict[str, Request] = {}
        self.admitted: list[str] = []
        self.engine.log.subscribe(self._on_transition, Transition)

    def _on_transition(self, event: Transition) -> None:
        if event.after is Status.RUNNING and event.request_id not in self.admitted:
            self.admitted.append(event.request_id)

    def submit(self, *requests: Request) -> None:
        for request in requests:
            self.requests[request.request_id] = request
            self.engine.submit(request, stream=True)

    def step(self) -> None:
        self.engine.plan()
        self.engine.finish()

    def waiting(self, tenant: str) -> int:
        return sum(
            each.tenant == tenant and name not in self.admitted for name, each in self.requests.items()
        )

    def service(self) -> Counter[str]:
        given = Counter[str]()
        for name in self.admitted:
            given[self.requests[name].tenant] += self.requests[name].prompt.num_tokens
        for (name, _), tokens in self.engine.texts.items():
            given[self.requests[name].tenant] += OUTPUT_WEIGHT * len(tokens)
        return given


sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(sizes, min_size=1, max_size=15), st.lists(sizes, min_size=1, max_size=15), st.integers(12, 40)
)
def test_two_who_wait_get_service_that_differs_by_no_more_than_the_bound(
    first: list[tuple[int, int]], second: list[tuple[int, int]], num_blocks: int
) -> None:
    fair, numbers = Fair(num_blocks=num_blocks, max_running=4, max_queued_tokens=10_000), count()
    for tenant, asked in (("f", first), ("g", second)):
        fair.submit(*(ask(f"{tenant}{next(numbers)}", *each, tenant=tenant) for each in asked))
    longest = max(prompt for prompt, _ in first + second)
    bound = 2 * max(longest, OUTPUT_WEIGHT * num_blocks * BLOCK_TOKENS)
    while fair.waiting("f") and fair.waiting("g"):
        fair.step()
        given = fair.service()
        assert abs(given["f"] - given["g"]) <= bound
    fair.engine.run()
    fair.engine.check()


def test_who_asks_more_gets_no_more() -> None:
    """Ten requests of one tenant came before two of the other; with one row they take turns."""
    fair = Fair(max_running=1)
    fair.submit(*(ask(f"noisy{index}", 8, 4, tenant="noisy") for index in range(10)))
    fair.submit(*(ask(f"quiet{index}", 8, 4, tenant="quiet") for index in range(2)))
    fair.engine.run()
    assert fair.admitted[:5] == ["noisy0", "quiet0", "noisy1", "quiet1", "noisy2"]


def test_several_that_are_let_in_at_once_are_charged_one_by_one() -> None:
    fair = Fair(max_running=4)
    fair.submit(*(ask(f"noisy{index}", 8, 4, tenant="noisy") for index in range(6)))
    fair.submit(*(ask(f"quiet{index}", 8, 4, tenant="quiet") for index in range(6)))
    fair.engine.plan()
    assert fair.admitted == ["noisy0", "quiet0", "noisy1", "quiet1"]
    fair.engine.finish()
    fair.engine.run()


def test_counters_are_prompts_let_in_and_tokens_given() -> None:
    fair = Fair(max_running=1)
    fair.submit(ask("a", 8, 5, tenant="one"), ask("b", 6, 2, tenant="one"))
    fair.step()
    assert fair.policy.counter("one") == 8 + 2
    fair.engine.run()
    assert fair.policy.counter("one") == fair.service()["one"] == 8 + 10 + 6 + 4
    assert fair.policy.counter("nobody") == 0


def test_who_comes_back_is_lifted_to_those_who_waited_meanwhile() -> None:
    fair = Fair(max_running=1)
    fair.submit(*(ask(f"busy{index}", 20, 10, tenant="busy") for index in range(4)))
    for _ in range(25):
        fair.step()
    had = fair.policy.counter("busy")
    assert had > 0
    fair.submit(ask("idle", 8, 4, tenant="idle"))
    assert fair.policy.counter("idle") == had
    fair.engine.run()


def test_where_nobody_waits_one_is_lifted_to_the_last_who_did() -> None:
    fair = Fair()
    fair.submit(ask("a", 8, 4, tenant="one"))
    fair.engine.run()
    fair.submit(ask("b", 8, 4, tenant="two"))
    assert fair.policy.counter("two") == fair.policy.counter("one") == 8 + 8
    fair.engine.run()


def test_who_has_had_more_than_others_stays_behind_them() -> None:
    fair = Fair()
    fair.submit(ask("a", 40, 20, tenant="much"), ask("b", 4, 1, tenant="little"))
    fair.engine.run()
    before = fair.policy.counter("much")
    fair.submit(ask("c", 4, 1, tenant="much"))
    assert fair.policy.counter("much") == before
    fair.engine.run()


def test_what_is_cancelled_or_refused_while_it_waits_is_not_charged() -> None:
    fair = Fair(max_running=1, max_queued_tokens=60)
    fair.submit(*(ask(name, 8, 4, tenant="one") for name in ("runs", "leaves", "stays")))
    fair.step()
    fair.engine.cancel("leaves")
    with pytest.raises(RequestRejected, match="try again later"):
        fair.engine.submit(ask("refused", 60, 4, tenant="one"))
    fair.engine.run()
    assert fair.policy.counter("one") == fair.service()["one"] == 2 * (8 + 8)


def test_a_preempted_request_is_charged_its_prompt_once() -> None:
    fair = Fair(num_blocks=9, max_running=4)
    fair.submit(*(ask(f"r{index}", 8, 12, tenant=f"t{index % 2}") for index in range(4)))
    fair.engine.run()
    assert any(event.after is Status.PREEMPTED for event in fair.engine.events(Transition))
    assert {name: fair.policy.counter(name) for name in ("t0", "t1")} == dict(fair.service())


def test_forgotten_tenants_are_those_that_would_be_lifted_anyway() -> None:
    policy = VirtualTokenCounter()
    policy.observe(RequestArrived(0.0, "waits", "busy", 10, 1))
    policy.observe(Transition(0.0, "waits", 0, None, Status.WAITING, ""))
    for index in range(3 * MOST_TENANTS):
        name = f"passing{index}"
        policy.observe(RequestArrived(0.0, name, name, 1, 1))
        policy.observe(Transition(0.0, name, index + 1, Status.WAITING, Status.CANCELLED, ""))
        policy.observe(RequestEnded(0.0, name, Status.CANCELLED, "", 0))
    assert len(policy._accounts) <= MOST_TENANTS
    assert list(policy._entries) == ["waits"]


def test_a_tenant_of_twice_the_weight_gets_twice_as_much() -> None:
    fair = Fair({"heavy": 2.0}, max_running=1)
    for index in range(12):
        fair.submit(ask(f"h{index}", 8, 4, tenant="heavy"), ask(f"l{index}", 8, 4, tenant="light"))
    for _ in range(36):
        fair.step()
    served = Counter(name[0] for name in fair.admitted)
    assert served["h"] == pytest.approx(2 * served["l"], abs=1)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(sizes, min_size=1, max_size=15),
    st.lists(sizes, min_size=1, max_size=15),
    st.integers(12, 40),
    st.sampled_from([0.5, 2.0, 5.0]),
)
def test_the_bound_holds_of_service_by_weight(
    first: list[tuple[int, int]], second: list[tuple[int, int]], num_blocks: int, weight: float
) -> None:
    fair, numbers = (
        Fair({"f": weight}, num_blocks=num_blocks, max_running=4, max_queued_tokens=10_000),
        count(),
    )
    for tenant, asked in (("f", first), ("g", second)):
        fair.submit(*(ask(f"{tenant}{next(numbers)}", *each, tenant=tenant) for each in asked))
    longest = max(prompt for prompt, _ in first + second)
    bound = 2 * max(longest, OUTPUT_WEIGHT * num_blocks * BLOCK_TOKENS) / min(weight, 1.0)
    while fair.waiting("f") and fair.waiting("g"):
        fair.step()
        given = fair.service()
        assert abs(given["f"] / weight - given["g"]) <= bound
