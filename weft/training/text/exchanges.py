"""Single exchanges of a chat: what somebody asks, and the answer."""

from collections.abc import Callable

from weft.training.text import lexicon
from weft.training.text.facts import NUMBERS, TABLES
from weft.training.text.lexicon import with_article
from weft.training.text.small_talk import (
    ABOUT_ITSELF,
    DO_NOT_KNOW,
    GREETINGS,
    HARD_TOPICS,
    JOKES,
    PARTINGS,
    TOO_HARD,
)
from weft.training.text.teller import Teller

Exchange = tuple[str, str]
"""A user's message and the answer."""

_DIGITS = {word: str(number) for number, word in enumerate(NUMBERS)}


def fact(teller: Teller) -> Exchange:
    """Something that everybody knows."""
    table = teller.stream.choice(TABLES)
    pair = teller.stream.choice(table.pairs)
    answer = table.answer.format(*pair)
    return teller.sentence(table.questions).format(*pair), answer[0].upper() + answer[1:]


def counting(teller: Teller) -> Exchange:
    """Up or down, in words; the question may have digits."""
    low = teller.stream.choice((1, 1, 1, *range(2, 12)))
    high = low + teller.stream.randint(2, 9)
    numbers, is_down = NUMBERS[low : high + 1], teller.chance(0.3)
    if is_down:
        numbers = numbers[::-1]
    first, last = numbers[0], numbers[-1]
    if teller.chance(0.4):
        first, last = _DIGITS[first], _DIGITS[last]
    asks = ["Count from {0} to {1}.", "Please count from {0} to {1}.", "~Can you count from {0} up to {1}?"]
    if low == 1 and not is_down:
        asks += ["Count to {1}.", "Can you count to {1}?", "count to {1}"]
    if is_down:
        asks = ["Count down from {0} to {1}.", "Count backwards from {0} to {1}.", "Count from {0} to {1}."]
    answer = ", ".join(numbers)
    return teller.sentence(asks).format(first, last), f"{answer.capitalize()}."


def adding(teller: Teller) -> Exchange:
    """Two small numbers."""
    one, other = teller.stream.randint(0, 10), teller.stream.randint(0, 10)
    asks = (
        "What is {0} plus {1}?",
        "How much is {0} plus {1}?",
        "What is {0} and {1} together?",
        "~Add {0} and {1}.",
    )
    words = NUMBERS[one], NUMBERS[other]
    digits = teller.chance(0.3)
    asked = teller.sentence(asks).format(*((one, other) if digits else words))
    if digits and teller.chance(0.5):
        asked = f"What is {one}+{other}?"
    answer = f"{words[0]} plus {words[1]} is {NUMBERS[one + other]}."
    return asked, answer.capitalize()


def copying(teller: Teller) -> Exchange:
    """A word, or a few, to be said again; half of them mean nothing."""
    words = [_any_word(teller) for _ in range(teller.stream.choice((1, 1, 1, 2, 3)))]
    text = " ".join(words)
    asks = (
        "Say the word {0}." if len(words) == 1 else "Say the words {0}.",
        "Say {0}.",
        "Repeat after me: {0}",
        "Please repeat: {0}",
        'Say "{0}".',
        "~Copy this: {0}",
    )
    return teller.sentence(asks).format(text), text


def _any_word(teller: Teller) -> str:
    kind = teller.stream.choice((lexicon.THINGS, lexicon.ANIMALS, None, None))
    return teller.made_up() if kind is None else teller.word(kind)


def listing(teller: Teller) -> Exchange:
    """Three of a kind."""
    what, words = teller.stream.choice(
        (("animals", lexicon.ANIMALS), ("colours", lexicon.COLOURS), ("things", lexicon.THINGS))
    )
    asks = ("Name three {0}.", "Tell me three {0}.", "Can you name three {0}?", "~List three {0}.")
    chosen = teller.stream.sample(words.training, 3)
    # Names of things want an article; colours want none.
    named = chosen if what == "colours" else [with_article(word) for word in chosen]
    answer = f"{named[0]}, {named[1]} and {named[2]}."
    return teller.sentence(asks).format(what), answer[0].upper() + answer[1:]


def choosing(teller: Teller) -> Exchange:
    """Something that was just said has to be found again."""
    owner, other = teller.word(lexicon.GIRLS), teller.word(lexicon.BOYS)
    if teller.chance(0.5):
        owner, other = teller.made_up().capitalize(), other
    things = [f"a {teller.word(lexicon.COLOURS)} {thing}" for thing in teller.two_of(lexicon.THINGS)]
    pairs = [(owner, things[0]), (other, things[1])]
    teller.stream.shuffle(pairs)
    said = f"{pairs[0][0]} has {pairs[0][1]}. {pairs[1][0]} has {pairs[1][1]}."
    who, what = teller.stream.choice(pairs)
    if teller.chance(0.5):
        return f"{said} Who has {what}?", f"{who} has {what}."
    return f"{said} What does {who} have?", f"{who} has {what}."


def small_talk(teller: Teller) -> Exchange:
    """Greetings, thanks, and what the model is."""
    asked, answers = teller.stream.choice((*GREETINGS, *ABOUT_ITSELF, *PARTINGS, *JOKES))
    return teller.sentence(asked), teller.sentence(answers)


def too_hard(teller: Teller) -> Exchange:
    """What a model of this size should not pretend to know."""
    x, y = teller.stream.sample(HARD_TOPICS, 2)
    if teller.chance(0.4):
        x = teller.made_up()
    asked = teller.sentence(TOO_HARD).format(x=x, y=y)
    if teller.chance(0.15):
        asked = asked.lower().rstrip("?.")
    return asked, teller.sentence(DO_NOT_KNOW)


EXCHANGES: tuple[tuple[Callable[[Teller], Exchange], int], ...] = (
    (fact, 6),
    (counting, 2),
    (adding, 2),
    (copying, 3),
    (listing, 1),
    (choosing, 3),
    (small_talk, 4),
    (too_hard, 3),
)
"""Each with its weight."""


def draw_exchange(teller: Teller) -> Exchange:
    """Any of them."""
    kinds, weights = zip(*EXCHANGES, strict=True)
    kind: Callable[[Teller], Exchange] = teller.stream.choices(kinds, weights)[0]
    return kind(teller)
