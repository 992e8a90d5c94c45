"""Tasks whose questions say all: the answers computed again by other means."""

import re
from collections import Counter
from itertools import pairwise

import pytest

from tests.training.tasks.drawing import after_colon, draws

BOTH_SIDES = pytest.mark.parametrize("held_out", [False, True])


@BOTH_SIDES
def test_copies_are_exact_and_of_the_size(held_out: bool) -> None:
    for size, exercise in draws("copy", 150, held_out=held_out):
        for question, answer in exercise.turns:
            assert question.endswith(f": {answer}")
            assert len(answer.split(", ")) == size


@BOTH_SIDES
def test_reversing_an_answer_gives_the_list_back(held_out: bool) -> None:
    for size, exercise in draws("reverse", 150, held_out=held_out):
        for question, answer in exercise.turns:
            assert list(reversed(answer.split(", "))) == after_colon(question)
            assert len(set(after_colon(question))) == size


@BOTH_SIDES
def test_sorted_lists_ascend_and_lose_nothing(held_out: bool) -> None:
    kinds = set()
    for size, exercise in draws("sort", 150, held_out=held_out):
        for question, answer in exercise.turns:
            items = answer.split(", ")
            is_number = items[0].isdigit()
            kinds.add(is_number)
            # numbers of two digits are in order of size where they are in order of digits
            assert not is_number or {len(item) for item in items} == {2}
            assert all(one < next_one for one, next_one in pairwise(items))
            assert Counter(items) == Counter(after_colon(question))
            assert len(items) == size
    assert kinds == {False, True}


@BOTH_SIDES
def test_counts_are_right(held_out: bool) -> None:
    seen: Counter[int] = Counter()
    for size, exercise in draws("count", 150, held_out=held_out):
        items = exercise.given.split(", ")
        assert len(items) == size
        for question, answer in exercise.turns:
            word = question.split('"')[1]
            count = Counter(items)[word]
            seen[count] += 1
            working, total = answer.split(": ")
            assert total == str(count)
            assert re.sub(r" \d+", "", working) == exercise.given
            assert re.findall(rf"\b{word} (\d+)", working) == [str(number + 1) for number in range(count)]
    assert set(seen) == set(range(1, 10))


@BOTH_SIDES
def test_sums_are_right_and_as_long_as_asked_for(held_out: bool) -> None:
    for size, exercise in draws("add", 150, held_out=held_out):
        for question, answer in exercise.turns:
            terms, total = answer.split(" = ")
            one, other = terms.split(" + ")
            assert int(total) == int(one) + int(other)
            assert terms in question
            assert max(len(one), len(other)) == size


@BOTH_SIDES
def test_patterns_go_on_as_they_began(held_out: bool) -> None:
    cycles = 0
    for size, exercise in draws("pattern", 150, held_out=held_out):
        for question, answer in exercise.turns:
            shown, following = after_colon(question), answer.split(", ")
            whole = shown + following
            period = repeats_every(shown)
            assert 3 <= len(following) <= 6
            assert str(len(following)) in question.rpartition(": ")[0]
            if period:
                cycles += 1
                assert period == size
                assert all(one == later for one, later in zip(whole, whole[period:], strict=False))
            else:
                numbers = [int(item) for item in whole]
                assert len({later - one for one, later in pairwise(numbers)}) == 1
                assert min(numbers) >= 0
    assert cycles > 100


def repeats_every(items: list[str]) -> int:
    """The shortest period that the items show twice; 0 where they do not."""
    for period in range(2, len(items) // 2 + 1):
        if all(one == later for one, later in zip(items, items[period:], strict=False)):
            return period
    return 0
