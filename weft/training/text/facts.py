"""Simple things that can be asked, and the tables that their answers come from."""

from typing import NamedTuple


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NUMBERS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words("January February March April May June July August September October November December")


class Table(NamedTuple):
    """Pairs, how one asks for the second of a pair, and how it is answered. "~" marks held-out questions."""

    questions: tuple[str, ...]
    answer: str
    pairs: tuple[tuple[str, str], ...]


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """From "first-second; first-second"."""
    found = (pair.strip().partition("-") for pair in text.split(";"))
    return tuple((first, second) for first, _, second in found)


def _following(items: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(zip(items, (*items[1:], items[0]), strict=True))


_OPPOSITES = _pairs(
    "big-small; hot-cold; good-bad; happy-sad; fast-slow; young-old; high-low; long-short; light-dark; wet-dry; "
    "full-empty; loud-quiet; hard-soft; open-closed; early-late; strong-weak; clean-dirty; up-down; left-right; "
    "day-night; yes-no; in-out; black-white; rich-poor; thick-thin; near-far; first-last; sweet-sour; warm-cool; "
    "awake-asleep; true-false; begin-end; give-take; come-go; love-hate"
)

TABLES = (
    Table(
        (
            "What is the opposite of {0}?",
            "Tell me the opposite of {0}.",
            "What is the opposite of the word {0}?",
            "opposite of {0}",
            "~Which word is the opposite of {0}?",
        ),
        "The opposite of {0} is {1}.",
        (*_OPPOSITES, *((second, first) for first, second in _OPPOSITES), ("new", "old"), ("tall", "short")),
    ),
    Table(
        (
            "What colour is {0}?",
            "What color is {0}?",
            "Tell me the colour of {0}.",
            "~Do you know the colour of {0}?",
        ),
        "The colour of {0} is {1}.",
        _pairs(
            "the sky-blue; the sun-yellow; grass-green; snow-white; the sea-blue; coal-black; a carrot-orange; "
            "a lemon-yellow; a banana-yellow; milk-white; a frog-green; a crow-black; a tomato-red; blood-red; "
            "a cherry-red; a mouse-grey; a pig-pink; chocolate-brown; a leaf-green; the night-black; an elephant-grey; "
            "a fire truck-red; gold-yellow; a cloud-white; bread-brown; a strawberry-red"
        ),
    ),
    Table(
        (
            "What does a {0} say?",
            "What sound does a {0} make?",
            "Which sound does a {0} make?",
            "~How does a {0} sound?",
        ),
        'A {0} says "{1}".',
        _pairs(
            "cow-moo; cat-meow; dog-woof; duck-quack; sheep-baa; pig-oink; frog-ribbit; lion-roar; hen-cluck; "
            "bee-buzz; mouse-squeak; snake-hiss; goat-maa; crow-caw; horse-neigh; wolf-howl; bird-tweet"
        ),
    ),
    Table(
        ("Where does a {0} live?", "Where do you find a {0}?", "What is the home of a {0}?"),
        "A {0} lives {1}.",
        _pairs(
            "fish-in the water; bird-in a nest; bear-in the forest; cow-on a farm; whale-in the sea; frog-near a pond; "
            "bee-in a hive; fox-in a den; dog-in a house; camel-in the desert; monkey-in the trees; pig-on a farm; "
            "duck-on a lake; mole-in the ground; hen-on a farm; wolf-in the forest; owl-in a tree; king-in a castle"
        ),
    ),
    Table(
        ("What does a {0} eat?", "What does a {0} like to eat?", "What is the food of a {0}?"),
        "A {0} eats {1}.",
        _pairs(
            "rabbit-carrots; cow-grass; cat-fish and mice; dog-meat and bones; squirrel-nuts; mouse-cheese; "
            "bear-fish and honey; sheep-grass; horse-hay; bird-seeds and worms; frog-flies; panda-bamboo; "
            "monkey-bananas; fox-mice and berries; goat-leaves and grass; hen-corn; lion-meat; pig-corn and apples"
        ),
    ),
    Table(
        ("What day comes after {0}?", "Which day is after {0}?", "Which day follows {0}?"),
        "After {0} comes {1}.",
        _following(DAYS),
    ),
    Table(
        ("What day comes before {0}?", "Which day is before {0}?"),
        "Before {0} comes {1}.",
        tuple((second, first) for first, second in _following(DAYS)),
    ),
    Table(
        ("What month comes after {0}?", "Which month is after {0}?", "Which month follows {0}?"),
        "After {0} comes {1}.",
        _following(MONTHS),
    ),
    Table(
        ("What number comes after {0}?", "Which number is after {0}?", "What comes after {0}?"),
        "After {0} comes {1}.",
        _following(NUMBERS)[:-1],
    ),
    Table(
        ("How many legs does a {0} have?", "How many legs has a {0}?"),
        "A {0} has {1} legs.",
        _pairs(
            "dog-four; cat-four; bird-two; spider-eight; fish-no; snake-no; cow-four; hen-two; bee-six; fox-four; "
            "mouse-four; duck-two; fly-six; horse-four; rabbit-four; frog-four; child-two; table-four; "
            "beetle-six; bear-four"
        ),
    ),
    Table(
        ("What do you do with a {0}?", "What is a {0} for?", "What can you do with a {0}?"),
        "With a {0} you can {1}.",
        _pairs(
            "spoon-eat soup; book-read; bed-sleep; ball-play; pencil-write; cup-drink; key-open a door; "
            "lamp-make light; drum-make music; boat-go over the water; brush-paint; hat-keep your head "
            "warm; bike-ride; "
            "clock-see the time; map-find the way; knife-cut bread; pot-cook; coat-keep warm; "
            "kite-play in the wind; ladder-climb up"
        ),
    ),
)
