"""Planning ahead of results changes when things are known, never what is said."""

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import StepResult
from weft.engine.results import STOPPED_IN_FLIGHT
from weft.simulator.fake_reference import reference_output

REQUESTS = [ask(f"r{i}", 3 + 5 * i, 12 - i, temperature=0.5 * (i % 2), stop_token_ids=(i,)) for i in range(6)]


@pytest.mark.parametrize("num_host_blocks", [0, 20])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_any_number_of_steps_in_flight_gives_the_same_tokens(depth: int, num_host_blocks: int) -> None:
    engine = SmallEngine(
        num_blocks=12,
        num_host_blocks=num_host_blocks,
        depth=depth,
        max_step_tokens=12,
        stop_bias=0.1,
        preempt="latest_first_swap",
        max_queued_tokens=1000,
    )
    engine.submit(*REQUESTS)
    engine.run()
    engine.expect(*REQUESTS)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_more_steps_are_in_flight_than_allowed(depth: int) -> None:
    engine = SmallEngine(depth=depth)
    engine.submit(ask("a", 5, 20))
    for _ in range(depth):
        assert engine.plan() is not None
    assert engine.plan() is None
    assert engine.engine.num_in_flight == depth
    engine.finish()
    assert engine.plan() is not None


def test_what_was_planned_for_one_that_then_stopped_is_thrown_away() -> None:
    stopped = STOPPED_IN_FLIGHT.hits
    engine = SmallEngine(depth=3)
    text = reference_output(engine.spec, ask("a", 5, 9))
    request = ask("a", 5, 9, stop_token_ids=(text[3],))
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert engine.text(request) == text[: text.index(text[3]) + 1]
    assert STOPPED_IN_FLIGHT.hits == stopped + 1


def test_a_row_may_be_given_away_while_steps_of_its_last_holder_are_in_flight() -> None:
    engine = SmallEngine(depth=3, max_running=1)
    text = reference_output(engine.spec, ask("a", 5, 9))
    first, second = ask("a", 5, 9, stop_token_ids=(text[2],)), ask("b", 6, 5)
    engine.submit(first, second)
    engine.run()
    engine.expect(first, second)
    admissions = [admission.row for step in engine.steps for admission in step.added]
    assert admissions == [0, 0]


def test_nothing_is_planned_beyond_the_limit_of_an_output() -> None:
    engine, request = SmallEngine(depth=3), ask("a", 5, 2)
    engine.submit(request)
    assert [engine.plan() is not None for _ in range(3)] == [True, True, False]
    engine.run()
    engine.expect(request)


def test_results_are_taken_in_the_order_of_the_steps() -> None:
    engine = SmallEngine(depth=2)
    engine.submit(ask("a", 5, 9))
    engine.plan()
    engine.plan()
    with pytest.raises(InvariantViolation, match="step 0 is due, got 1") as caught:
        engine.engine.update(StepResult(1, [0]), 1.0)
    assert caught.value.name == "results_in_order"
