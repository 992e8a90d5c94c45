"""Chance that knows whether it may use what is held out, and the people of a story."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from weft.training.text import lexicon
from weft.training.text.lexicon import Words, with_article

UNSEEN = "~"
"""A sentence that begins with this is held out: told in texts for evaluation, and there always."""

PRONOUNS = {"he": ("he", "him", "his"), "she": ("she", "her", "her")}


@dataclass(frozen=True, slots=True)
class Teller:
    """Draws words and sentences. `held_out`: tells with the words and sentences that training never sees."""

    stream: Random
    held_out: bool

    def word(self, words: Words) -> str:
        """A word of a kind."""
        return words.draw(self.stream, held_out=self.held_out)

    def two_of(self, words: Words) -> tuple[str, str]:
        """Two different words of a kind."""
        one, other = self.stream.sample(words.held_out if self.held_out else words.training, 2)
        return one, other

    def made_up(self) -> str:
        """A word that means nothing."""
        return lexicon.made_up(self.stream, held_out=self.held_out)

    def sentence(self, variants: Sequence[str]) -> str:
        """One of the ways to say something."""
        if self.held_out:
            unseen = [text for text in variants if text.startswith(UNSEEN)]
            return self.stream.choice(unseen or variants).removeprefix(UNSEEN)
        return self.stream.choice([text for text in variants if not text.startswith(UNSEEN)])

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.stream.random() < share


@dataclass(frozen=True, slots=True)
class Character:
    """`kind`: "fox", "girl"… `pronoun`: "he" or "she"."""

    name: str
    kind: str
    trait: str
    pronoun: str

    def slots(self, prefix: str = "") -> dict[str, str]:
        """What sentences call this character: {hero} or {f_hero}, {they}, {them}, {their}, {They}, {Their}…"""
        they, them, their = PRONOUNS[self.pronoun]
        slots = {"hero": self.name, "kind": self.kind, "trait": self.trait, "a_kind": with_article(self.kind)}
        slots |= {"they": they, "them": them, "their": their}
        slots |= {"They": they.capitalize(), "Their": their.capitalize()}
        return {prefix + name: text for name, text in slots.items()}


def draw_character(teller: Teller, *, other_than: Character | None = None) -> Character:
    """A child, or an animal that speaks; never of the name or the animal of the other one."""
    while True:
        drawn = _draw_character(teller)
        is_same_animal = (
            other_than is not None and drawn.kind == other_than.kind and drawn.kind not in _CHILDREN
        )
        if other_than is None or (drawn.name != other_than.name and not is_same_animal):
            return drawn


_CHILDREN = {"girl": "she", "boy": "he"}


def _draw_character(teller: Teller) -> Character:
    pronoun = teller.stream.choice(("he", "she"))
    is_child = teller.chance(0.3)
    child = "girl" if pronoun == "she" else "boy"
    kind = child if is_child else teller.word(lexicon.ANIMALS)
    known = teller.word(lexicon.GIRLS if pronoun == "she" else lexicon.BOYS)
    # Names that nobody has seen make a reader look back for them: that is how it learns to copy.
    name = teller.made_up().capitalize() if teller.chance(0.4) else known
    return Character(name, kind, teller.word(lexicon.TRAITS), pronoun)
