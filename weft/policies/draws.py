"""Chance that follows from a seed and a count alone, so that whoever asks again draws the same."""

from hashlib import blake2b

DRAW_BYTES = 8
"""Of each number: choices of one in less than a million are equally likely to one in ten billion."""
DRAWS_PER_DIGEST = 8


def draw_distinct(seed: int, turn: int, num_drawn: int, num_choices: int) -> list[int]:
    """`num_drawn` different numbers below `num_choices`, in the order in which they are drawn; all of them where there
    are not more. `turn`: counts the draws under a seed."""
    num_drawn = min(num_drawn, num_choices)
    moved: dict[int, int] = {}
    drawn = []
    for index, number in enumerate(_numbers(seed, turn, num_drawn)):
        place = index + number % (num_choices - index)
        drawn.append(moved.get(place, place))
        moved[place] = moved.get(index, index)
    return drawn


def _numbers(seed: int, turn: int, count: int) -> list[int]:
    numbers: list[int] = []
    for part in range(-(-count // DRAWS_PER_DIGEST)):
        digest = blake2b(b"%d:%d:%d" % (seed, turn, part)).digest()
        numbers += (
            int.from_bytes(digest[start : start + DRAW_BYTES], "little")
            for start in range(0, len(digest), DRAW_BYTES)
        )
    return numbers[:count]
