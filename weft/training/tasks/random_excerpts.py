"""Random words, and pieces of them again: what `token_lessons` teaches, in the form of text.

After those lessons it keeps alive what they taught, and shows that words, too, are found by the words before them.
"""

from weft.training.tasks.words import COMMON_WORDS
from weft.training.text import lexicon
from weft.training.text.documents import BEGIN, Document, Part
from weft.training.text.teller import Teller

MOST_LETTERS = 6
SEPARATORS = (" ", ", ", "\n")
"""Of a text; a word after a space is another token than after a comma."""
EXCERPT_WORDS = (3, 10)
"""The shortest and the longest excerpt."""

_KINDS = (COMMON_WORDS, *(kind for kind in vars(lexicon).values() if isinstance(kind, lexicon.Words)))
_SYLLABLES = (onset + vowel for onset in "bdfghklmnprstvwz" for vowel in "aeiou")
_CANDIDATES = [*(word for kind in _KINDS for word in kind.training), *_SYLLABLES]
COPIED_WORDS = tuple(
    dict.fromkeys(word for word in _CANDIDATES if word.isalpha() and len(word) <= MOST_LETTERS)
)
"""Short words of training, and syllables, which are made-up words in pieces."""


def random_excerpts(teller: Teller, num_words: int) -> Document:
    """That many words, then excerpts from anywhere among them, about as many words again, each excerpt on its line.

    Of an excerpt all but the first word is learnt: nothing says which that is.
    """
    words = _words(teller, num_words)
    separator = teller.stream.choice(SEPARATORS)
    parts = [Part(BEGIN + separator.join(words), learnt=False)]
    num_repeated = 0
    while num_repeated < num_words:
        excerpt = _excerpt(teller, words)
        num_repeated += len(excerpt)
        parts.append(Part(f"\n{excerpt[0]}", learnt=False))
        parts.append(Part("".join(separator + word for word in excerpt[1:]), learnt=True))
    return tuple(parts)


def _words(teller: Teller, num_words: int) -> list[str]:
    """Lower case or capitalised throughout, as names are."""
    chosen = teller.stream.choices(COPIED_WORDS, k=num_words)
    return [word.capitalize() for word in chosen] if teller.chance(0.3) else chosen


def _excerpt(teller: Teller, words: list[str]) -> list[str]:
    shortest, longest = EXCERPT_WORDS
    length = teller.stream.randint(shortest, min(longest, len(words)))
    start = teller.stream.randint(0, len(words) - length)
    return words[start : start + length]
