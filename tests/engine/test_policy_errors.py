"""A policy that raises or decides nonsense is named, costs at most the request it hit, and stops nobody else."""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any, ClassVar

import pytest

from tests.engine.small_engine import SmallEngine, ask, words
from weft.contracts.errors import PolicyError
from weft.contracts.events import Event, RequestEnded, Status
from weft.contracts.policies import (
    EVERY_STEP,
    BlocksReused,
    BudgetPolicy,
    DraftPolicy,
    EngineView,
    OrderPolicy,
    Preemption,
    PreemptionMethod,
    PreemptPolicy,
    Rank,
    Rerank,
    RetainEvent,
    SequenceView,
    StepBudget,
)
from weft.contracts.steps import Draft
from weft.policies.lru import Lru

OPEN = StepBudget(64, admit=True, chunk=True, mix=True)


class Odd:
    """Hears of nothing."""

    def observe(self, event: Event) -> None:
        """Nothing is remembered."""


class OddBudget(Odd, BudgetPolicy):
    """Decides what `answer` says."""

    def __init__(self, answer: Callable[[EngineView], Any]) -> None:
        self.answer = answer

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        budget: StepBudget = self.answer(view)
        return budget


def failing(*_: object) -> Any:
    raise ValueError("no idea")


def test_a_budget_policy_that_raises_is_named_and_nothing_has_changed() -> None:
    policy, request = OddBudget(failing), ask("a")
    engine = SmallEngine(budget=lambda: policy)
    engine.submit(request)
    before = engine.log.events()
    with pytest.raises(PolicyError, match=r"^policy 'OddBudget': raised ValueError: no idea$") as caught:
        engine.plan()
    assert (caught.value.policy, caught.value.request_id) == ("OddBudget", None)
    assert engine.log.events() == before
    engine.check()
    policy.answer = lambda _: OPEN
    engine.run()
    engine.expect(request)


@pytest.mark.parametrize("prefill_tokens", [-1, 65, nan])
def test_a_budget_out_of_range_is_refused_with_the_range(prefill_tokens: int) -> None:
    engine = SmallEngine(budget=lambda: OddBudget(lambda _: OPEN._replace(prefill_tokens=prefill_tokens)))
    engine.submit(ask("a"))
    with pytest.raises(
        PolicyError, match=r"policy 'OddBudget': gave .*with 0 to 64 prefill_tokens is wanted"
    ):
        engine.plan()
    engine.check()


def test_a_budget_that_is_none_is_refused() -> None:
    engine = SmallEngine(budget=lambda: OddBudget(lambda _: None))
    engine.submit(ask("a"))
    with pytest.raises(PolicyError, match="policy 'OddBudget': gave None"):
        engine.plan()


@pytest.mark.parametrize(
    "budget", [OPEN._replace(admit=False), OPEN._replace(prefill_tokens=0)], ids=["nobody", "no tokens"]
)
def test_a_policy_that_lets_nobody_run_is_told_whom_it_keeps_waiting(budget: StepBudget) -> None:
    policy, requests = OddBudget(lambda _: budget), [ask("a"), ask("b")]
    engine = SmallEngine(budget=lambda: policy)
    engine.submit(*requests)
    for request in requests:
        with pytest.raises(PolicyError, match=r"gave .*while nothing runs and work waits") as caught:
            engine.plan()
        assert (caught.value.policy, caught.value.request_id) == ("OddBudget", request.request_id)
        engine.fail(request.request_id, str(caught.value))
    assert engine.plan() is None
    engine.check()
    policy.answer = lambda _: OPEN
    later = ask("later")
    engine.submit(later)
    engine.run()
    engine.expect(later)


def test_a_policy_may_let_nobody_in_while_others_run() -> None:
    engine = SmallEngine(budget=lambda: OddBudget(lambda view: OPEN._replace(admit=not view.num_running)))
    requests = [ask("a", 70), ask("b")]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)


def test_a_policy_that_starves_one_that_runs_is_named() -> None:
    engine = SmallEngine(
        budget=lambda: OddBudget(lambda view: OPEN._replace(prefill_tokens=4 * (not view.num_running)))
    )
    engine.submit(ask("a", 8))
    engine.step()
    with pytest.raises(PolicyError, match="policy 'OddBudget'"):
        engine.plan()


class OddOrder(Odd, OrderPolicy):
    """Ranks by arrival, but for the requests that `ranks` names."""

    def __init__(self, rerank: Rerank, **ranks: Any) -> None:
        self.rerank = rerank
        self.ranks = ranks

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        answer = self.ranks.get(sequence.request.request_id, (sequence.arrival_s,))
        rank: Rank = answer() if callable(answer) else answer
        return rank


@pytest.mark.parametrize("rank", [(nan,), failing, None], ids=["NaN", "raises", "none"])
def test_a_request_without_a_rank_fails_at_the_door_and_alone(rank: Any) -> None:
    engine, other = SmallEngine(order=lambda: OddOrder(Rerank(1e9), odd=rank)), ask("other")
    engine.submit(other)
    with pytest.raises(PolicyError, match=r"policy 'OddOrder' \(request 'odd'\)"):
        engine.submit(ask("odd", n=1))
    assert engine.ends["odd"].status is Status.FAILED
    assert "policy 'OddOrder' (request 'odd')" in engine.ends["odd"].reason
    engine.check()
    engine.run()
    engine.expect(other)


def test_a_rank_that_fails_later_names_the_request_and_the_others_go_on_when_it_has_failed() -> None:
    policy = OddOrder(EVERY_STEP)
    engine = SmallEngine(order=lambda: policy, max_running=1)
    others = [ask("a"), ask("c")]
    engine.submit(others[0], ask("odd"), others[1])
    engine.step()
    policy.ranks["odd"] = (nan,)
    with pytest.raises(PolicyError) as caught:
        engine.plan()
    assert caught.value.request_id == "odd"
    engine.check()
    assert engine.fail("odd", str(caught.value))
    engine.run()
    engine.expect(*others)
    assert engine.ends["odd"].reason == str(caught.value)


class OddPreempt(Odd, PreemptPolicy):
    def __init__(self, answer: Callable[[EngineView, Sequence[SequenceView]], Any]) -> None:
        self.answer = answer

    def decide(self, view: EngineView, candidates: Sequence[SequenceView], now_s: float) -> Preemption:
        choice: Preemption = self.answer(view, candidates)
        return choice


class Stranger:
    """Looks like the sequence that it names, and is not it."""

    number = 0


RECOMPUTE, SWAP = PreemptionMethod.RECOMPUTE, PreemptionMethod.SWAP


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (failing, "raised ValueError: no idea"),
        (lambda *_: Preemption(Stranger(), RECOMPUTE), "which is not among the candidates"),  # type: ignore[arg-type]
        (lambda *_: None, "chose None, which is not among the candidates"),
        (lambda _, candidates: candidates[0], "which is not among the candidates"),
        (lambda _, candidates: Preemption(candidates[0], SWAP), "swap where host memory has no room"),
    ],
    ids=["raises", "stranger", "none", "no method", "swap"],
)
def test_a_preemption_that_cannot_be_fails_the_request_in_need_and_no_other(
    answer: Callable[..., Any], problem: str
) -> None:
    engine = SmallEngine(num_blocks=9, preempt=lambda: OddPreempt(answer))
    engine.submit(ask("first", 10, 20), ask("second", 10, 20))
    engine.run()
    statuses = {request_id: end.status for request_id, end in engine.ends.items()}
    assert sorted(statuses.values(), key=str) == [Status.FAILED, Status.FINISHED]
    (failed,) = [request_id for request_id, status in statuses.items() if status is Status.FAILED]
    assert engine.ends[failed].reason.startswith(f"policy 'OddPreempt' (request '{failed}'): ")
    assert problem in engine.ends[failed].reason


def test_a_candidate_that_the_step_counts_on_already_is_not_among_the_candidates() -> None:
    """Its blocks are about to be written."""
    seen: list[tuple[int, list[int]]] = []

    def choose(view: EngineView, candidates: Sequence[SequenceView]) -> Preemption:
        seen.append((len(list(view.running)), [sequence.number for sequence in candidates]))
        return Preemption(candidates[-1], RECOMPUTE)

    engine = SmallEngine(num_blocks=9, preempt=lambda: OddPreempt(choose))
    requests = [ask("first", 10, 20), ask("second", 10, 20)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    assert seen[0] == (2, [1])


class OddDraft(Odd, DraftPolicy):
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def decide(self, sequence: SequenceView, tokens: Sequence[int], now_s: float) -> Draft | None:
        guesses: Draft | None = self.answer() if sequence.request.request_id == "odd" else None
        return guesses


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (failing, "raised ValueError: no idea"),
        (lambda: Draft((), ()), "which is not a tree of tokens"),
        (lambda: Draft((1, 2), (-1,)), "which is not a tree of tokens"),
        (lambda: Draft((1, 2), (-1, 1)), "which is not a tree of tokens"),
        (lambda: Draft((1, 2), (-2, 0)), "which is not a tree of tokens"),
    ],
    ids=["raises", "empty", "no parent", "its own parent", "unknown parent"],
)
def test_a_draft_that_cannot_be_fails_the_request_it_is_for_and_no_other(
    answer: Callable[[], Any], problem: str
) -> None:
    engine, other = SmallEngine(draft=lambda: OddDraft(answer)), ask("other")
    engine.submit(ask("odd"), other)
    engine.run()
    engine.expect(other)
    assert engine.ends["odd"].status is Status.FAILED
    assert engine.ends["odd"].reason.startswith("policy 'OddDraft' (request 'odd'): ")
    assert problem in engine.ends["odd"].reason


def test_a_draft_of_another_type_is_the_policys_fault() -> None:
    engine = SmallEngine(draft=lambda: OddDraft(lambda: [1, 2]))
    engine.submit(ask("odd"))
    engine.run()
    assert engine.ends["odd"].reason.startswith("policy 'OddDraft' (request 'odd'): ")


@pytest.mark.parametrize("sampling", [{"n": 3}, {"n": 3, "stop_token_ids": (1,)}])
def test_what_fails_for_one_sample_fails_all_of_its_request(sampling: dict[str, Any]) -> None:
    engine, other = SmallEngine(draft=lambda: OddDraft(failing)), ask("other", 5, 6)
    engine.submit(ask("odd", 6, 5, temperature=1.0, **sampling), other)
    engine.run()
    engine.expect(other)
    assert engine.ends["odd"].status is Status.FAILED
    statuses = [status for status, _ in engine.moves("odd")]
    assert statuses.count(Status.FAILED) == 3


class GivesUpTwice(Lru):
    def decide(self, count: int) -> Sequence[int]:
        return list(super().decide(1)) * count


def test_a_retain_policy_that_gives_up_a_block_twice_costs_the_request_that_needed_it() -> None:
    engine = SmallEngine(num_blocks=4, retain=GivesUpTwice)
    engine.submit(ask("cached", 8, 4))
    engine.run()
    engine.submit(ask("in need", 13, 3))
    engine.run()
    assert engine.ends["in need"].status is Status.FAILED
    assert engine.ends["in need"].reason.startswith("policy 'GivesUpTwice': gave up block")
    later = ask("later", 4, 2)
    engine.submit(later)
    engine.run()
    engine.expect(later)


class DeafToReuse(Lru):
    def observe(self, event: RetainEvent) -> None:
        if isinstance(event, BlocksReused):
            failing()
        super().observe(event)


def test_a_retain_policy_that_raises_as_it_is_told_is_named_and_leaks_no_block() -> None:
    engine, prompt = SmallEngine(retain=DeafToReuse), words("same", 9)
    for name in ("a", "b"):
        engine.submit(ask(name, prompt))
        engine.run()
    assert engine.ends["b"].status is Status.FAILED
    assert engine.ends["b"].reason == "policy 'DeafToReuse': observe raised ValueError: no idea"


class RaisesWhenTold(OddOrder):
    observes: ClassVar[tuple[type, ...]] = (RequestEnded,)

    def __init__(self) -> None:
        super().__init__(Rerank(1e9))

    def observe(self, event: Event) -> None:
        failing()


def test_a_policy_that_raises_as_it_is_told_of_an_end_is_named_at_the_next_step() -> None:
    """What was under way when it was told is finished first."""
    engine, other = SmallEngine(order=RaisesWhenTold), ask("other")
    engine.submit(ask("a"), other)
    engine.step()
    assert engine.cancel("a")
    assert engine.ends["a"].status is Status.CANCELLED
    with pytest.raises(PolicyError, match=r"^policy 'RaisesWhenTold': observe raised ValueError: no idea$"):
        engine.plan()
    engine.check()
    while "other" not in engine.ends:
        engine.step()
    engine.expect(other)
