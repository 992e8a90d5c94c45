"""The baseline before paging: a contiguous run for the longest possible output, taken at once."""

import pytest

from tests.engine.small_engine import SmallEngine, ask, words
from weft.contracts.errors import RequestRejected
from weft.contracts.events import PrefixLookup, Status, StepRecord
from weft.engine.config import Reservation


def reserving(num_blocks: int = 12, depth: int = 1) -> SmallEngine:
    return SmallEngine(num_blocks=num_blocks, depth=depth, reservation=Reservation.WORST_CASE)


def most_running(engine: SmallEngine) -> int:
    records: list[StepRecord] = engine.events(StepRecord)
    return max(record.num_running for record in records)


def test_a_run_for_prompt_and_whole_output_is_taken_on_admission_and_never_changes() -> None:
    engine, request = reserving(), ask("a", 5, 20)
    engine.submit(request)
    step = engine.step()
    assert step is not None
    ((table,),) = [admission.tables for admission in step.added]
    assert table == tuple(range(table[0], table[0] + 7))
    engine.run()
    engine.expect(request)
    assert [step.tables for step in engine.steps] == [()] * 20
    assert [event.used_blocks for event in engine.events(StepRecord)] == [7] * 19 + [0]


def test_fewer_run_at_once_than_where_blocks_are_taken_as_needed() -> None:
    requests = [ask(f"r{i}", 5, 15, stop_token_ids=(1, 2, 3, 4)) for i in range(4)]
    engines = [reserving(), SmallEngine(num_blocks=12)]
    for engine in engines:
        engine.submit(*requests)
        engine.run()
        engine.expect(*requests)
    assert [most_running(engine) for engine in engines] == [2, 4]
    assert engines[0].reasons("r2") == ["no free blocks"]


def test_nobody_ever_gives_way_for_want_of_blocks() -> None:
    engine = reserving(depth=2)
    requests = [ask(f"r{i}", 3 + i, 8) for i in range(8)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    assert not any(status is Status.PREEMPTED for i in range(8) for status, _ in engine.moves(f"r{i}"))


def test_enough_free_blocks_in_two_places_are_not_enough() -> None:
    engine = reserving(num_blocks=9)
    engine.submit(ask("a", 4, 8), ask("b", 4, 12), ask("c", 4, 4))
    engine.step()
    assert engine.running() == ["a", "b", "c"]
    engine.cancel("a")
    engine.cancel("c")
    engine.step()
    engine.submit(ask("large", 4, 16))
    engine.step()
    assert (engine.pool().num_available, engine.pool().longest_run()) == (5, 3)
    assert engine.reasons("large") == ["no free blocks"]
    engine.run()
    assert engine.ends["large"].status is Status.FINISHED


def test_nothing_is_shared() -> None:
    engine, text = reserving(num_blocks=24), words("same", 8)
    request = ask("samples", 6, n=3, temperature=1.0)
    engine.submit(ask("a", text), ask("b", text), request)
    engine.run()
    engine.expect(request)
    assert engine.events(PrefixLookup) == []
    assert [copy for step in engine.steps for copy in step.copies] == []
    started = [admission.num_computed for step in engine.steps for admission in step.added]
    assert started[:2] == [0, 0]


def test_what_could_not_be_reserved_even_alone_is_refused() -> None:
    engine = reserving(num_blocks=4)
    with pytest.raises(RequestRejected, match="need 5 blocks of state 'full', and there are 4"):
        engine.submit(ask("a", 5, 12))
