"""How often a word occurs in a list."""

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.text.teller import Teller

MOST_TIMES = 9
MOST_TURNS = 4

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
    return Exercise(words.listed(items), tuple(_turn(teller, word, counts[word]) for word in asked))


def _times(teller: Teller, total: int) -> list[int]:
    """One to nine each, and `total` together; of two words at least."""
    times = [teller.stream.randint(1, min(MOST_TIMES, total - 1))]
    while missing := total - sum(times):
        times.append(teller.stream.randint(1, min(MOST_TIMES, missing)))
    return times


def _turn(teller: Teller, word: str, count: int) -> Turn:
    times = "1 time" if count == 1 else f"{count} times"
    return Turn(put(teller, ASKS, LOOSE_ASKS).format(word), f'The word "{word}" occurs {times}.')


# Of five words, one to four.
TASK = Task("count", draw_counting, sizes=(5, 30), chance=1 / 4)
