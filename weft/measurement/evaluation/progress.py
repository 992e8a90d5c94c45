"""Bars for what takes long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def bar(total: int, unit: str, *, progress: bool) -> Iterator[Callable[[], object]]:
    """A bar on stderr where that is a terminal and `progress` is wanted. What it yields advances it by one."""
    with tqdm(total=total, unit=unit, disable=None if progress else True, leave=False) as shown:
        yield shown.update
