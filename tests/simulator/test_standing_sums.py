"""Running sums against the sum over rows."""

from hypothesis import given
from hypothesis import strategies as st

from weft.simulator.standing_sums import VisibleTokens

ACTIONS = st.lists(st.tuples(st.sampled_from(["join", "leave", "advance"]), st.integers(0, 30)), max_size=80)


def seen(base: int, tick: int, window: int | None) -> int:
    return base + tick + 1 if window is None else min(base + tick + 1, window)


@given(ACTIONS, st.sampled_from([None, 1, 2, 7, 40]))
def test_the_total_is_the_sum_over_rows(actions: list[tuple[str, int]], window: int | None) -> None:
    sums, bases, tick = VisibleTokens(window), list[int](), 0
    for action, number in actions:
        if action == "join":
            bases.append(number - tick)
            sums.join(bases[-1], tick)
        elif action == "leave" and bases:
            sums.leave(bases.pop(number % len(bases)), tick)
        elif action == "advance":
            tick += 1
            sums.advance(tick)
        assert sums.total == sum(seen(base, tick, window) for base in bases)
