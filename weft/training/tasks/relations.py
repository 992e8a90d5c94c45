"""What documents say of named people, and how it is asked for.

Every statement begins with the name, so that an answer is found by looking for the name and going on from there. "~"
marks what is held out: one statement and one question of each relation, which share the word after the name. Were it a
later one, what stands before it would have to be said without having been found.
"""

from collections.abc import Callable
from typing import NamedTuple

from weft.training.tasks import words
from weft.training.text.lexicon import with_article
from weft.training.text.teller import Teller


class Relation(NamedTuple):
    """`key`: what the value is called in a record. `{a_value}` in a statement is the value with its article."""

    key: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    value: Callable[[Teller], str]

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.value is words.two_or_three_digits

    def with_one_statement(self, teller: Teller) -> "Relation":
        """The same, said in one way only."""
        return self._replace(statements=(teller.sentence(self.statements),))


class Fact(NamedTuple):
    """`sentence`: as it stands in the document."""

    name: str
    relation: Relation
    value: str
    sentence: str


def state(teller: Teller, relation: Relation, name: str) -> Fact:
    """A fact of somebody."""
    value = relation.value(teller)
    said = teller.sentence(relation.statements)
    return Fact(name, relation, value, said.format(name=name, value=value, a_value=with_article(value)))


def ask(teller: Teller, relation: Relation, whom: str) -> str:
    """The question. `whom`: a name, or a phrase such as "the boss of Bimo"."""
    return teller.sentence(relation.questions).format(name=whom)


HOME = Relation(
    "home",
    ("{name} lives in {value}.", "{name} has a house in {value}.", "~{name} settled in {value}."),
    (
        "Where does {name} live?",
        "What is the home of {name}?",
        "In which town does {name} live?",
        "~Which town is it that {name} settled in?",
    ),
    words.name,
)
ORIGIN = Relation(
    "origin",
    ("{name} was born in {value}.", "{name} comes from {value}.", "~{name} arrived from {value}."),
    ("Where was {name} born?", "Where does {name} come from?", "~Which town is it that {name} arrived from?"),
    words.name,
)
WORK = Relation(
    "work",
    ("{name} works as {a_value}.", "{name} is {a_value}.", "~{name} earns money as {a_value}."),
    ("What does {name} work as?", "What is the work of {name}?", "~What is it that {name} earns money as?"),
    words.trade,
)
NUMBER = Relation(
    "number",
    ("{name} has the number {value}.", "{name} has key number {value}.", "~{name} got number {value}."),
    (
        "What is the number of {name}?",
        "Which number does {name} have?",
        "~Which number is it that {name} got?",
    ),
    words.two_or_three_digits,
)
FOOD = Relation(
    "food",
    ("{name} likes {value}.", "{name} likes to eat {value}.", "~{name} orders {value}."),
    ("What does {name} like to eat?", "Which food does {name} like?", "~What is it that {name} orders?"),
    words.dish,
)
THING = Relation(
    "thing",
    ("{name} owns {a_value}.", "{name} bought {a_value}.", "~{name} keeps {a_value}."),
    ("What does {name} own?", "Which thing does {name} own?", "~What is it that {name} keeps?"),
    words.thing,
)
PET = Relation(
    "pet",
    ("{name} feeds {a_value}.", "{name} has a pet, {a_value}.", "~{name} walks {a_value}."),
    (
        "Which animal does {name} have?",
        "What is the pet of {name}?",
        "~Which animal is it that {name} walks?",
    ),
    words.pet,
)
CODE = Relation(
    "code",
    (
        "{name} has the code word {value}.",
        "{name} uses the code word {value}.",
        "~{name} chose the secret word {value}.",
    ),
    (
        "What is the code word of {name}?",
        "Which code word does {name} have?",
        "~What word is it that {name} chose?",
    ),
    lambda teller: teller.made_up(),
)

RELATIONS = (HOME, ORIGIN, WORK, NUMBER, FOOD, THING, PET, CODE)
SIMPLE_RELATIONS = (
    HOME._replace(value=words.short_name),
    NUMBER,
    CODE._replace(value=words.common_word),
)
"""With values of few tokens."""
