"""Relations that nobody has heard of, said in words that come together by chance.

Who has seen only a few ways to say a thing learns those by heart, and says them also where a document says it in
another way. Relations without sense can only be read: the statement has to be copied as it stands, and is found by the
one word that it shares with the question. For training alone; what is held out are ways to say known things.
"""

from weft.training.tasks import words
from weft.training.tasks.relations import Relation
from weft.training.text import lexicon
from weft.training.text.teller import Teller

INVENTED_SHARE = 0.5
"""Of the relations of a document for training."""

SMALL_WORDS = (
    *("is", "was", "has", "had", "does", "did", "the", "a", "in", "at", "on", "to"),
    *("of", "with", "by", "from", "for", "up", "out", "as", "no", "some"),
)
STATEMENTS = (
    "{{name}} {key} {{value}}.",
    "{{name}} {key} {small} {{value}}.",
    "{{name}} {key} {small} {small_too} {{value}}.",
    "{{name}} {key} {other} {small} {{value}}.",
    "{{name}} {key} {{value}} {small} {other}.",
)
QUESTIONS = (
    "What is the {key} of {{name}}?",
    "What does {{name}} {key}?",
    "Which {key} does {{name}} have?",
    "Tell me the {key} of {{name}}.",
    "Where does {{name}} {key}?",
    "What {small} {{name}} {key}?",
    "{small} {small_too} {key} {{name}} {other}?",
    "{small} {{name}} {other} {small_too} {key}?",
)
FIRST_WORDS = (
    *(*words.SHADES, *words.FLAVOURS, *words.MATERIALS, *words.GOODS),
    *lexicon.COLOURS.training,
)
VALUES = (words.name, words.two_or_three_digits, words.any_word, words.dish, words.thing, words.trade)


def invented_relation(teller: Teller, value: words.Draw | None = None) -> Relation:
    """With one statement and one question. `value`: what values are drawn by, else any of `VALUES`."""
    key, other = lone_word(teller), lone_word(teller)
    slots = {
        "key": key,
        "other": other,
        "small": teller.stream.choice(SMALL_WORDS),
        "small_too": teller.stream.choice(SMALL_WORDS),
    }
    statement, question = (
        teller.stream.choice(variants).format(**slots) for variants in (STATEMENTS, QUESTIONS)
    )
    return Relation(key, (statement,), (question,), value or teller.stream.choice(VALUES))


def lone_word(teller: Teller) -> str:
    """One that is never the first of a value of two words: what is held out must not come about by chance."""
    while True:
        word = words.any_word(teller)
        if word not in FIRST_WORDS:
            return word


def chance_word(teller: Teller) -> str:
    """Any small word, or one that means nothing where it stands."""
    return teller.stream.choice(SMALL_WORDS) if teller.chance(0.5) else lone_word(teller)


def is_time_to_invent(teller: Teller) -> bool:
    """In training now and then, in evaluation never."""
    return not teller.held_out and teller.chance(INVENTED_SHARE)


def perhaps_invented(teller: Teller, relation: Relation) -> Relation:
    """The relation, or in training often an invented one of such values in its place."""
    return invented_relation(teller, relation.value) if is_time_to_invent(teller) else relation
