"""How often a word occurs in a list. The answer says the list again and numbers the word on its way, since a number has
to be right at once where no working is shown (Nye et al., arXiv 2112.00114)."""

from collections.abc import Iterator

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.text.teller import Teller

MOST_TIMES = 9
MOST_TURNS = 2

ASKS = (
    'How often does "{0}" occur?',
    'How many times does the word "{0}" occur?',
    'Count the word "{0}".',
    '~How many of the words are "{0}"?',
)

LOOSE_ASKS = ('… many … "{0}"?', '… often … "{0}" …?', 'Count … "{0}".', '… times … "{0}" …?')


def draw_counting(teller: Teller, size: int) -> Exercise:
    """A list of `size` words, and questions about some of those that are in it."""
    times = _times(teller, size)
    counts = dict(zip(words.words(teller, len(times)), times, strict=True))
    items = [word for word, count in counts.items() for _ in range(count)]
    teller.stream.shuffle(items)
    asked = teller.stream.sample(list(counts), min(MOST_TURNS, len(counts)))
    return Exercise(words.listed(items), tuple(_turn(teller, items, word) for word in asked))


def _times(teller: Teller, total: int) -> list[int]:
    """One to nine each, and `total` together; of two words at least."""
    times = [teller.stream.randint(1, min(MOST_TIMES, total - 1))]
    while missing := total - sum(times):
        times.append(teller.stream.randint(1, min(MOST_TIMES, missing)))
    return times


def _turn(teller: Teller, items: list[str], asked: str) -> Turn:
    question = put(teller, ASKS, LOOSE_ASKS).format(asked)
    return Turn(question, f"{words.listed(list(_numbered(items, asked)))}: {items.count(asked)}")


def _numbered(items: list[str], asked: str) -> Iterator[str]:
    """The items, each that is asked for with its number among its like."""
    number = 0
    for item in items:
        number += item == asked
        yield f"{item} {number}" if item == asked else item


# Of five words, one to four.
TASK = Task("count", draw_counting, sizes=(5, 30), chance=1 / 4)
