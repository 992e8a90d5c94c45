"""Echoes: words without sense, and the same words again.

Only by looking back can they be predicted. Stories teach that too, but late: a name that comes again is a small part
of all that they teach. A model that has seen echoes first looks back from its first story on.
"""

from collections.abc import Iterator
from itertools import islice

from weft.training.text import lexicon
from weft.training.text.documents import BEGIN, END, Document, Part
from weft.training.text.streams import named_stream
from weft.training.text.teller import Teller

LESSON_ECHOES = 12_000
"""At the beginning of training, before the first story: some 400,000 tokens."""

DOCUMENTS_PER_ECHO = 3
"""After the lesson, so that what was learnt is not forgotten."""

MADE_UP_SHARE = 0.5
"""Of the words at the end of the lesson and after it. The first half of the lesson has known words alone: mostly one
token each, they are easier to tell apart."""

_KINDS = (lexicon.THINGS, lexicon.ANIMALS, lexicon.GIRLS, lexicon.BOYS)


def with_echoes(documents: Iterator[Document], seed: int) -> Iterator[Document]:
    """A lesson of echoes, then the documents with an echo among them now and then."""
    teller = Teller(named_stream(seed, "echoes"), held_out=False)
    for number in range(LESSON_ECHOES):
        yield echo(teller, MADE_UP_SHARE * max(0.0, 2 * number / LESSON_ECHOES - 1))
    while True:
        yield from islice(documents, DOCUMENTS_PER_ECHO)
        yield echo(teller, MADE_UP_SHARE)


def echo(teller: Teller, made_up_share: float) -> Document:
    """A few words, then the same up to three times."""
    text = " ".join(_word(teller, made_up_share) for _ in range(teller.stream.randint(3, 12)))
    again = f"\n{text}" * teller.stream.randint(1, 3)
    return Part(BEGIN + text, learnt=False), Part(again + END, learnt=True)


def _word(teller: Teller, made_up_share: float) -> str:
    if teller.chance(made_up_share):
        return teller.made_up()
    return teller.word(teller.stream.choice(_KINDS))
