"""What all sequences that decode see where a kernel pads them to the longest: as counted one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.steps import Admission, Step, StepEntry
from weft.simulator.simulated_rows import SimulatedRows
from weft.simulator.standing_sums import PaddedTokens

EVENTS = st.lists(st.tuples(st.sampled_from(("join", "leave", "tick")), st.integers(0, 30)), max_size=60)


@given(events=EVENTS, window=st.none() | st.integers(1, 20))
def test_the_total_is_that_of_the_longest_times_their_number(
    events: list[tuple[str, int]], window: int | None
) -> None:
    sums, bases, tick = PaddedTokens(window), list[int](), 0
    for event, number in events:
        if event == "join":
            bases.append(number - tick)
            sums.join(number - tick, tick)
        elif event == "leave" and bases:
            sums.leave(bases.pop(number % len(bases)), tick)
        else:
            tick += 1
            sums.advance(tick)
        longest = max((base + tick + 1 for base in bases), default=0)
        assert sums.total == len(bases) * (longest if window is None else min(longest, window))
        assert sums.per_tick == (len(bases) if window is None else None)


@pytest.mark.parametrize(("pads", "visible"), [(False, 11 + 21), (True, 2 * 21)])
def test_rows_count_as_they_are_told_to(pads: bool, visible: int) -> None:
    rows = SimulatedRows({"a": (9,), "b": (9,)}, (None,), pads_decodes=pads)
    lengths = {"a": 10, "b": 20}
    added = tuple(
        Admission(row, row, Request(name, LengthPrompt(tokens)), 0, (), 0, ((0,),))
        for row, (name, tokens) in enumerate(lengths.items())
    )
    entries = tuple(
        StepEntry(row, 0, tokens, emits=True, stands=True) for row, tokens in enumerate(lengths.values())
    )
    rows.apply(Step(0, 0, 30, (), (), added, (), (), (), False, entries))
    assert list(rows.apply(Step(1, 0, 2, (), (), (), (), (), (), True, ())).visible_tokens) == [visible]
