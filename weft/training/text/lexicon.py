"""The words that stories are about: for each kind those of training, and those that are held out.

Words after which "a" becomes "an" are found by their first letter; none here is an exception to that.
"""

import hashlib
from random import Random
from typing import NamedTuple


class Words(NamedTuple):
    """`held_out`: never in a text for training; texts for evaluation take these alone."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]

    def draw(self, stream: Random, *, held_out: bool) -> str:
        """One of them."""
        return stream.choice(self.held_out if held_out else self.training)


def _words(training: str, held_out: str) -> Words:
    return Words(tuple(training.split()), tuple(held_out.split()))


def _phrases(training: str, held_out: str) -> Words:
    return Words(*(tuple(part.strip() for part in text.split(";")) for text in (training, held_out)))


GIRLS = _words(
    "Anna Bella Clara Daisy Emma Eva Grace Ida Julia Kate Lily Lucy Maya Mia Nina Nora Olga Rosa Ruby Sara Tina "
    "Vera Zoe Alice Molly Hanna",
    "Greta Marta Wanda Flora",
)
BOYS = _words(
    "Adam Ben Carl David Emil Finn Felix George Hugo Ivan Jack Jonas Leo Luke Max Milo Noah Oscar Paul Peter Sam "
    "Theo Tim Tom Victor Will",
    "Bruno Gustav Simon Walter",
)
ANIMALS = _words(
    "fox rabbit bear mouse cat dog frog duck goat pig hen squirrel badger otter hedgehog turtle sheep pony mole "
    "beaver crow deer goose owl lamb",
    "donkey heron weasel",
)
THINGS = _words(
    "kite ball hat drum lantern whistle scarf basket button spoon book cup coat doll flute mirror boot ring rope "
    "blanket marble key bell map crown feather shell pencil box wagon clock candle brush bucket balloon coin",
    "trumpet compass umbrella puppet",
)
FOODS = _phrases(
    "apple pie; warm bread; berry cake; honey bread; pumpkin soup; cheese; plums; pears; cherries; nuts; carrots; "
    "cookies; pancakes; sweet corn; apples; strawberries; rice cakes; jam buns",
    "lemon cake; roasted chestnuts; peach pie",
)
PLACES = _phrases(
    "the garden; the forest; the beach; the meadow; the market; the park; the river; the old bridge; the hill; "
    "the pond; the orchard; the barn; the lake; the village square; the big field",
    "the lighthouse; the windmill",
)
COLOURS = _words("red blue green yellow white black brown pink golden silver grey", "purple")
TRAITS = _words(
    "little brave shy curious kind clever cheerful quiet sleepy gentle proud lonely patient merry young friendly "
    "polite hungry",
    "nervous stubborn",
)
HOMES = _phrases(
    "in a small village by the river; at the edge of the forest; in a tall house on the hill; near a quiet lake; "
    "under an old oak tree; on a farm with a red barn; by the sea; in a green valley; above a little bakery; "
    "at the end of a long road; in a cosy house with a round door; next to the old mill; behind the school",
    "in a hut made of stones; on a boat with a tin roof",
)
WEATHERS = _words("sunny warm cold windy cloudy bright rainy snowy foggy fine", "stormy")
SPOTS = _phrases(
    "behind the big stone; under the bench; in the tall grass; next to the well; under a pile of leaves; "
    "between two rocks; behind the gate; inside a hollow tree; on top of the wall; under the bridge; in the mud; "
    "behind a bush; in an empty barrel; beside the road; under the stairs; in the hay; near the fence",
    "below the apple cart; inside the dog house",
)
HOBBIES = _phrases(
    "to sing; to run; to paint; to read; to look at the stars; to dance; to swim; to climb trees; to pick flowers; "
    "to tell jokes; to make soup; to count the clouds; to play in the snow; to listen to the birds",
    "to skip stones; to bake bread",
)


def _letters(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONSETS = _letters("b d f g h j k l m n p r s t v w z br dr fl gr kl pl st tr")
_VOWELS = _letters("a e i o u")
_ENDS = ("", "", "", "", "n", "l", "m", "r", "s")
_ONE_IN = 10


def made_up(stream: Random, *, held_out: bool) -> str:
    """A word of two or three syllables that means nothing: what a reader can only copy, not know.

    A digest decides which words are held out: one in ten.
    """
    while True:
        syllables = stream.choice((2, 2, 2, 3))
        parts = [stream.choice(_ONSETS) + stream.choice(_VOWELS) for _ in range(syllables)]
        word = "".join(parts) + stream.choice(_ENDS)
        if is_held_out(word) == held_out:
            return word


_KNOWN_NAMES = frozenset(name for names in (*GIRLS, *BOYS) for name in names)


def is_held_out(word: str) -> bool:
    """Whether a made-up word, written in any case, is kept from training. Chance may make up a name that there is."""
    if (name := word.capitalize()) in _KNOWN_NAMES:
        return name in (*GIRLS.held_out, *BOYS.held_out)
    return hashlib.blake2b(word.lower().encode(), digest_size=2).digest()[0] % _ONE_IN == 0


def with_article(noun: str) -> str:
    """The noun with "a" or "an" before it."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
