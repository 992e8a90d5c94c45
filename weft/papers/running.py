"""Running a card: every setting of its grid with every seed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from weft.papers.card import Card, Observation
from weft.papers.catalogue import find_card

Progress = Callable[[], None]
"""Told after each measurement."""


class Measurement(NamedTuple):
    """One observation and what it was made with."""

    setting: str
    seed: int
    observation: Observation


def run_card(
    card: Card[Any], *, quick: bool, jobs: int = 1, data: Path | None = None, progress: Progress | None = None
) -> list[Measurement]:
    """All measurements of a card, in the order of grid and seeds, whatever the number of processes.

    `quick`: only the quick setting with the first seed. `jobs`: processes, at least 1.
    `data`: the directory of recorded runs, for a card that reads some. Raises `CardError` where it does not fit.
    """
    settings, seeds = ((card.quick,), card.seeds[:1]) if quick else (card.grid, card.seeds)
    tasks = [(setting, seed) for setting in settings for seed in seeds]
    found = []
    for (setting, seed), observation in zip(tasks, _observations(card, tasks, jobs, data), strict=True):
        found.append(Measurement(setting.name, seed, observation))
        if progress is not None:
            progress()
    return found


def _observations(
    card: Card[Any], tasks: list[tuple[Any, int]], jobs: int, data: Path | None
) -> Iterator[Observation]:
    measure = card.measuring(data)
    if jobs == 1:
        yield from (measure(setting, seed) for setting, seed in tasks)
        return
    with ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn")) as pool:
        yield from pool.map(_measure, repeat(card.id), repeat(data), *zip(*tasks, strict=True))


def _measure(card_id: str, data: Path | None, setting: Any, seed: int) -> Observation:
    """In a process of its own, which looks the card up again."""
    return find_card(card_id).measuring(data)(setting, seed)
