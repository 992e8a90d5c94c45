"""Documents of a size: how many facts fit, and what stands between them."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from weft.training.text.stories import tell_story
from weft.training.text.teller import Teller

Unit = TypeVar("Unit")


def num_words(text: str) -> int:
    """As they stand between spaces."""
    return len(text.split())


def fitting(units: Iterable[Unit], text_of: Callable[[Unit], str], size_words: int) -> list[Unit]:
    """The first of them, as many as come nearest to the size."""
    taken: list[Unit] = []
    words = 0
    for unit in units:
        length = num_words(text_of(unit))
        if words + length / 2 > size_words:
            break
        taken.append(unit)
        words += length
    return taken


def fillers(teller: Teller, names: Sequence[str], size_words: int) -> list[str]:
    """Sentences of stories, in their order, that mention none of the names."""
    of_interest = re.compile("|".join(map(re.escape, names)))
    sentences = (text for text in _story_sentences(teller) if not of_interest.search(text))
    return fitting(sentences, str, size_words)


def _story_sentences(teller: Teller) -> Iterator[str]:
    """Without direct speech, which would be cut apart."""
    while True:
        for paragraph in tell_story(teller).text.split("\n"):
            yield from (text for text in re.split(r"(?<=[.!?]) ", paragraph) if '"' not in text)


def interleaved(teller: Teller, one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Both in one row, each in its order."""
    sources = [iter(one)] * len(one) + [iter(other)] * len(other)
    teller.stream.shuffle(sources)
    return [next(source) for source in sources]
