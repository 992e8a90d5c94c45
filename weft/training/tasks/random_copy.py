"""Random words, and the same again: what makes a model look back for what came after a word the last time.

The circuit that does so forms early, and much of what a model learns in context rests on it (Olsson et al., arXiv
2209.11895). Words of few tokens, any of which may follow any, show it the clearest.
"""

from weft.training.tasks.words import COMMON_WORDS
from weft.training.text import lexicon
from weft.training.text.documents import BEGIN, END, Document, Part
from weft.training.text.teller import Teller

MOST_TIMES_AGAIN = 3
MOST_LETTERS = 6

_KINDS = (COMMON_WORDS, *(kind for kind in vars(lexicon).values() if isinstance(kind, lexicon.Words)))
_SYLLABLES = (onset + vowel for onset in "bdfghklmnprstvwz" for vowel in "aeiou")
_CANDIDATES = [*(word for kind in _KINDS for word in kind.training), *_SYLLABLES]
COPIED_WORDS = tuple(
    dict.fromkeys(word for word in _CANDIDATES if word.isalpha() and len(word) <= MOST_LETTERS)
)
"""Short words of training, and syllables."""


def random_copy(teller: Teller, num_words: int) -> Document:
    """That many words, then the same once to three times, each on its line; learnt from the second time on.

    The words are those of training for every teller: what is new is their order.
    """
    text = " ".join(teller.stream.choices(COPIED_WORDS, k=num_words))
    again = f"\n{text}" * teller.stream.randint(1, MOST_TIMES_AGAIN)
    return Part(BEGIN + text, learnt=False), Part(again + END, learnt=True)
