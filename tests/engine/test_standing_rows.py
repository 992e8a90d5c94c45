"""Sequences that decode advance together, and each learns in time what it must."""

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_engine import ask
from weft.engine.sequence import Sequence
from weft.engine.standing_rows import StandingRows

BLOCK = 4


def decoding(rows: StandingRows, row: int, prompt: int, output: int) -> Sequence:
    """A sequence whose first token is known: it may stand."""
    sequence = Sequence(row, ask("a", prompt, output), 0, 0.0, rows.clock)
    sequence.row, sequence.base_computed, sequence.base_known = row, prompt, prompt + 1
    return sequence


def test_both_counts_grow_with_every_tick_while_a_sequence_stands() -> None:
    rows = StandingRows(BLOCK)
    sequence = decoding(rows, 0, prompt=6, output=9)
    rows.join(sequence)
    rows.advance()
    rows.advance()
    assert (sequence.num_computed, sequence.num_known, rows.count) == (8, 9, 1)
    rows.leave(sequence)
    rows.advance()
    assert (sequence.num_computed, sequence.num_known, rows.count) == (8, 9, 0)


@given(prompt=st.integers(1, 9), ticks=st.integers(1, 14))
def test_a_block_is_asked_for_exactly_before_the_unit_that_begins_it(prompt: int, ticks: int) -> None:
    rows = StandingRows(BLOCK)
    sequence = decoding(rows, 0, prompt, output=20)
    rows.join(sequence)
    for computed in range(prompt, prompt + ticks):
        assert rows.take_crossings() == ([sequence] if computed % BLOCK == 0 else [])
        rows.advance()


@given(output=st.integers(2, 9))
def test_the_last_tick_of_an_output_is_told_and_told_once(output: int) -> None:
    rows = StandingRows(BLOCK)
    sequence = decoding(rows, 0, prompt=3, output=output)
    rows.join(sequence)
    told = [rows.advance() for _ in range(output + 2)]
    assert told == [[]] * (output - 2) + [[sequence]] + [[]] * 3


def test_who_left_is_asked_for_nothing_and_may_come_back() -> None:
    rows = StandingRows(BLOCK)
    sequence = decoding(rows, 0, prompt=3, output=5)
    rows.join(sequence)
    rows.advance()
    rows.leave(sequence)
    assert [rows.take_crossings() + rows.advance() for _ in range(6)] == [[]] * 6
    rows.join(sequence)
    assert rows.take_crossings() == [sequence]
    assert [rows.advance() for _ in range(3)] == [[], [], [sequence]]


def test_tokens_are_collected_once_and_only_those_of_the_time_it_stood() -> None:
    rows = StandingRows(BLOCK)
    first, second = decoding(rows, 0, 3, 20), decoding(rows, 1, 3, 20)
    rows.join(first)
    rows.advance()
    rows.join(second)
    for _ in range(3):
        rows.advance()
    rows.resolve((10, 99))
    rows.resolve((11, 21))
    rows.collect(first)
    rows.collect(first)
    rows.collect(second)
    assert (first.output.tolist(), second.output.tolist()) == ([10, 11], [21])
    rows.leave(first)
    for tokens in ((12, 22), (13, 23), (14, 24)):
        rows.resolve(tokens)
    rows.collect(first)
    rows.collect(second)
    assert (first.output.tolist(), second.output.tolist()) == ([10, 11, 12, 13], [21, 22, 23, 24])


def test_late_collectors_find_their_tokens_however_long_the_rows_stood() -> None:
    rows = StandingRows(BLOCK)
    patient = decoding(rows, 0, 4, 1000)
    rows.join(patient)
    for tick in range(500):
        due = rows.take_crossings()
        rows.advance()
        rows.resolve((tick,))
        if due:
            rows.collect(patient)
    rows.collect(patient)
    assert patient.output.tolist() == list(range(500))


def test_units_count_as_computed_when_their_step_has_returned() -> None:
    rows = StandingRows(BLOCK)
    sequence = decoding(rows, 0, prompt=6, output=9)
    rows.advance()
    rows.join(sequence)
    rows.advance()
    rows.resolve((0,))
    assert rows.num_resolved_units(sequence) == 6
    rows.resolve((1,))
    assert rows.num_resolved_units(sequence) == 7


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 9)), min_size=1, max_size=60))
def test_whatever_runs_are_taken_at_once_no_token_is_lost(runs: list[tuple[int, int]]) -> None:
    rows = StandingRows(BLOCK)
    sequence = decoding(rows, 0, prompt=6, output=60 * 300 + 2)
    rows.join(sequence)
    expected: list[int] = []
    for num_ticks, token in runs:
        rows.clock.tick += num_ticks
        rows.resolve_alike(num_ticks, [token], [sequence])
        expected += [token] * num_ticks
    rows.collect(sequence)
    assert list(sequence.output) == expected
