"""How questions are put, and in training often so as nobody would put them.

A few ways are soon learnt by heart, and then nothing else is understood. Where the words around the one that matters
come together by chance, that one has to be found.
"""

import re
from collections.abc import Sequence

from weft.training.tasks import invented
from weft.training.text.teller import Teller

GAP = "…"
MOST_WORDS_IN_GAP = 3


def put(teller: Teller, ways: Sequence[str], loose_ways: Sequence[str]) -> str:
    """A template: one of the ways, or in training often a loose one, in which words without sense fill the gaps."""
    if not invented.is_time_to_invent(teller):
        return teller.sentence(ways)
    return loosely(teller, loose_ways)


def loosely(teller: Teller, loose_ways: Sequence[str]) -> str:
    """One of the ways, its gaps filled."""
    text = re.sub(GAP, lambda _: _words(teller), teller.stream.choice(loose_ways))
    text = re.sub(r" +(?=[:?.,])", "", " ".join(text.split()))
    return text[0].upper() + text[1:]


def _words(teller: Teller) -> str:
    count = teller.stream.randint(0, MOST_WORDS_IN_GAP)
    return " ".join(invented.chance_word(teller) for _ in range(count))
