"""Names and values of the tasks, each kind split between training and evaluation.

A digest of the written value decides (`lexicon.is_held_out`): one in ten is held out. What is made of parts, such as
"silk hat", is split as a whole, so that its parts are known and the combination is new.
"""

import string
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from weft.training.text import lexicon
from weft.training.text.teller import Teller

Draw = Callable[[Teller], str]

SHORT_LETTERS = 5
"""Of a short made-up word, at most: two or three tokens."""


def split_words(words: Sequence[str]) -> lexicon.Words:
    """By their digests."""
    held_out = tuple(word for word in words if lexicon.is_held_out(word))
    return lexicon.Words(tuple(word for word in words if word not in held_out), held_out)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COMMON = _words(
    "air arm army axe bag bank bar bath bay bean bed beef beer bell belt bike bill bin bird boat body bone "
    "bow bowl boy bus cab cage camp cap car card cart case cave chain chair chalk chin city clay cliff cloth "
    "cloud club coal coast comb cork crab crane cream cross cube dance deck desk dew dish dock door dot drop "
    "dust ear edge egg elf face fan farm fern film fin fire fish flag flame flat flock floor flour fog foot "
    "fork frame fruit gap gas gate ghost gift glass glove glue gold grain grape guest gum hair hall ham hand "
    "harp heart heat heel hive hook horn horse ice ink iron jail jar jaw jet jug king knee knot lace lake "
    "lamp land lane lawn leaf leg lid lime line lion lip lock log loop mail mask mast meal meat milk mill "
    "mint moon moss mud nail neck nest net nose oak oar oil oven owl page paint palm pan park path pea peak "
    "pen pin pipe plant plate plum pole pond pool pot queen rail rain rake raft rat road rock roof room root "
    "rose rug sack salt sand saw seal seat seed ship shirt shoe shop silk sink skin sky sled snow soap sock "
    "song soup star stem step stone stove string sun swan tail tank tape tea tent tile tin toad toe tool town "
    "toy train tray tree truck tube tune vase vest wall wave wax web well wheel wig wind wine wing wolf wood "
    "wool worm yard zoo"
)

COMMON_WORDS = split_words(_COMMON)
"""Short and mostly one token each."""

SHADES = _words("dark light pale bright soft deep warm cool strong faint")
FLAVOURS = _words("warm cold sweet fresh dry hot sour soft")
MATERIALS = _words("iron glass paper silk stone tin clay leather cotton plastic rubber copper")
DISHES = _words("bread soup rice cheese cake plums pears nuts beans corn fish eggs jam milk tea honey")
GOODS = _words(
    "bread clock boat shoe flower fish glass wood wool book toy horse tea apple brick kite lamp chair coin goat"
)
TRADES = _words("seller maker painter keeper teacher driver")

_TWO_DIGITS = tuple(map(str, range(10, 100)))


def split_draw(teller: Teller, draw: Callable[[], str]) -> str:
    """Draws until what came belongs to the teller's side of the split."""
    while True:
        drawn = draw()
        if lexicon.is_held_out(drawn) == teller.held_out:
            return drawn


def combination(teller: Teller, *kinds: Sequence[str]) -> str:
    """A word of each kind, such as "silk hat"."""
    return split_draw(teller, lambda: " ".join(teller.stream.choice(kind) for kind in kinds))


def two_or_three_digits(teller: Teller) -> str:
    """A number from 10 to 999."""
    return split_draw(teller, lambda: str(teller.stream.randint(10, 999)))


def clock_time(teller: Teller) -> str:
    """Such as "07:30"."""
    return split_draw(teller, lambda: f"{teller.stream.randint(0, 23):02}:{teller.stream.randint(0, 59):02}")


def name(teller: Teller) -> str:
    """Of a person or a place: made up."""
    return teller.made_up().capitalize()


def short_name(teller: Teller) -> str:
    """A made-up name of few letters."""
    return _short_made_up(teller).capitalize()


def easy_name(teller: Teller) -> str:
    """A short name; for training, half of them are known ones, mostly one token each."""
    if not teller.held_out and teller.chance(0.5):
        return split_draw(teller, lambda: teller.word(teller.stream.choice((lexicon.GIRLS, lexicon.BOYS))))
    return short_name(teller)


def _short_made_up(teller: Teller) -> str:
    while True:
        word = teller.made_up()
        if len(word) <= SHORT_LETTERS:
            return word


def common_word(teller: Teller) -> str:
    """A short word that everybody knows."""
    return teller.word(COMMON_WORDS)


def any_word(teller: Teller) -> str:
    """A common or a short made-up word."""
    return common_word(teller) if teller.chance(0.5) else _short_made_up(teller)


def shade(teller: Teller) -> str:
    """Such as "dark red"."""
    return combination(teller, SHADES, lexicon.COLOURS.training)


def dish(teller: Teller) -> str:
    """Such as "warm soup"."""
    return combination(teller, FLAVOURS, DISHES)


def thing(teller: Teller) -> str:
    """Such as "silk hat"."""
    return combination(teller, MATERIALS, lexicon.THINGS.training)


def pet(teller: Teller) -> str:
    """Such as "grey fox"."""
    return combination(teller, lexicon.COLOURS.training, lexicon.ANIMALS.training)


def trade(teller: Teller) -> str:
    """Such as "clock maker"."""
    return combination(teller, GOODS, TRADES)


def different(teller: Teller, draw: Draw) -> Iterator[str]:
    """Draws without end, none twice."""
    seen: dict[str, None] = {}
    while True:
        drawn = draw(teller)
        if drawn not in seen:
            seen[drawn] = None
            yield drawn


def words(teller: Teller, count: int) -> list[str]:
    """Different words."""
    return list(islice(different(teller, any_word), count))


def letters(teller: Teller, count: int) -> list[str]:
    """Different letters; what is split is which ones, in whatever order."""
    return _set_of(teller, string.ascii_lowercase, count)


def numbers(teller: Teller, count: int) -> list[str]:
    """Different numbers of two digits; what is split is which ones, in whatever order."""
    return _set_of(teller, _TWO_DIGITS, count)


def _set_of(teller: Teller, items: Sequence[str], count: int) -> list[str]:
    """What is chosen is split by its digest, in alphabetical order; the order here is any."""
    chosen = split_draw(teller, lambda: listed(sorted(teller.stream.sample(items, count)))).split(", ")
    teller.stream.shuffle(chosen)
    return chosen


def listed(items: Sequence[str]) -> str:
    """As lists are written in all tasks."""
    return ", ".join(items)
