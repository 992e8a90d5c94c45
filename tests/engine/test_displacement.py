"""Running sequences give way to those that wait where the order policy says so, and always get on."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.events import Status
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView
from weft.policies.fcfs import Fcfs


class ShortestFirst(OrderPolicy):
    """By the most that may come; whoever runs and may emit more than the head gives way."""

    displaces: ClassVar[bool] = True

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (sequence.request.sampling.max_tokens,)

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        return [each for each in candidates if self.decide(view, each, 0.0) > self.decide(view, head, 0.0)][
            :1
        ]


class Everybody(Fcfs):
    """Lets all go whenever it is asked."""

    displaces: ClassVar[bool] = True

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        assert all(each.num_stay_tokens > 0 for each in candidates)
        return candidates


class Names(Fcfs):
    """Displaces whatever the test says."""

    displaces: ClassVar[bool] = True
    named: ClassVar[Any] = None

    def displace(self, view: EngineView, head: Any, candidates: Any, now_s: float) -> Any:
        if self.named == "raise":
            raise ValueError("no idea")
        return {"twice": [candidates[0]] * 2, "head": [head], "number": 7}[self.named]


def statuses(engine: SmallEngine, request_id: str) -> list[Status]:
    return [status for status, _ in engine.moves(request_id)]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_short_one_takes_the_only_row_of_a_long_one(depth: int) -> None:
    engine = SmallEngine(order=ShortestFirst, max_running=1, depth=depth)
    long, short = ask("long", 8, 40), ask("short", 8, 3)
    engine.submit(long)
    for _ in range(4):
        engine.step()
    engine.submit(short)
    engine.run()
    engine.expect(long, short)
    assert statuses(engine, "long").count(Status.PREEMPTED) == 1
    assert engine.ends["short"].time_s < engine.ends["long"].time_s


def test_a_short_one_takes_blocks_where_there_are_too_few() -> None:
    engine = SmallEngine(order=ShortestFirst, num_blocks=12)
    long, short = ask("long", 30, 14), ask("short", 20, 3)
    engine.submit(long)
    for _ in range(3):
        engine.step()
    engine.submit(short)
    engine.run()
    engine.expect(long, short)
    assert engine.ends["short"].time_s < engine.ends["long"].time_s


def test_nobody_gives_way_while_there_is_a_place() -> None:
    engine = SmallEngine(order=Everybody)
    requests = [ask(f"r{index}", 8, 10) for index in range(8)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    assert not any(Status.PREEMPTED in statuses(engine, each.request_id) for each in requests)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("num_host_blocks", [0, 64])
def test_all_get_on_under_a_policy_that_lets_everybody_go_at_every_chance(
    depth: int, num_host_blocks: int
) -> None:
    engine = SmallEngine(
        order=Everybody,
        max_running=2,
        depth=depth,
        num_host_blocks=num_host_blocks,
        preempt="latest_first_swap",
    )
    requests = [ask(f"r{index}", 9, 6) for index in range(6)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("raise", "raised ValueError: no idea"),
        ("twice", "a sequence of different candidates is wanted"),
        ("head", "a sequence of different candidates is wanted"),
        ("number", "displaces 7; a sequence of different candidates is wanted"),
    ],
)
def test_nonsense_costs_the_one_it_was_asked_for_and_is_named(
    named: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Names, "named", named)
    engine = SmallEngine(order=Names, max_running=1)
    first, second = ask("first", 8, 6), ask("second", 8, 6)
    engine.submit(first, second)
    engine.run()
    engine.expect(first)
    assert engine.ends["second"].status is Status.FAILED
    assert problem in engine.ends["second"].reason
    assert "policy 'Names'" in engine.ends["second"].reason


@settings(max_examples=30, deadline=None)
@given(
    order=st.sampled_from(["tiny_quanta:quantum_tokens=1", "srpt", "srpt:ageing_tokens_per_s=0", "andes"]),
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 20)), min_size=2, max_size=12),
    num_blocks=st.integers(14, 30),
    max_running=st.integers(1, 3),
    depth=st.integers(1, 3),
)
def test_every_order_that_displaces_serves_all_the_same_tokens(
    order: str, sizes: list[tuple[int, int]], num_blocks: int, max_running: int, depth: int
) -> None:
    engine = SmallEngine(
        order=order, num_blocks=num_blocks, max_running=max_running, depth=depth, max_queued_tokens=10_000
    )
    requests = [ask(f"r{index}", *size) for index, size in enumerate(sizes)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
