"""Two steps: one document says who belongs to whom, another one what is true of those; the answer says both."""

from collections.abc import Iterator
from typing import NamedTuple

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.invented import invented_relation, is_time_to_invent, perhaps_invented
from weft.training.tasks.passages import fitting
from weft.training.tasks.relations import RELATIONS, SIMPLE_RELATIONS, Relation, ask, state
from weft.training.text.teller import Teller

SIMPLE_WORDS = 60
"""Up to this size there is one link and one relation, each said in one way."""

OWN_FACT_SHARE = 0.3
"""Of the people of larger documents, those of whom the relation is told too: the answer for who skips a step."""

MOST_TURNS = 8


class Link(NamedTuple):
    """`phrases`: what the other one is called. "~" marks what is held out: the two share the word after the name."""

    statements: tuple[str, ...]
    phrases: tuple[str, ...]


LINKS = (
    Link(
        (
            "{name} works for {other}.",
            "{name} gets money from {other}.",
            "~{name} obeys {other}.",
        ),
        ("the boss of {name}", "~the one whom {name} obeys"),
    ),
    Link(
        (
            "{name} learns from {other}.",
            "{name} goes to school with {other}.",
            "~{name} asks {other}.",
        ),
        ("the teacher of {name}", "~the one whom {name} asks"),
    ),
    Link(
        ("{name} plays with {other}.", "{name} is fond of {other}.", "~{name} meets {other}."),
        ("the friend of {name}", "~the one whom {name} meets"),
    ),
    Link(
        ("{name} sits beside {other}.", "{name} sits next to {other}.", "~{name} touches {other}."),
        ("the neighbour of {name}", "~the one whom {name} touches"),
    ),
    Link(
        ("{name} is a guest of {other}.", "{name} sleeps at {other}.", "~{name} visits {other}."),
        ("the host of {name}", "~the one whom {name} visits"),
    ),
)


class Chain(NamedTuple):
    """`asides`: said beside the second step."""

    link: str
    fact: str
    asides: tuple[str, ...]
    question: str

    @property
    def text(self) -> str:
        return " ".join((self.link, self.fact, *self.asides))


def draw_combine(teller: Teller, size: int) -> Exercise:
    """The answer shows both steps, each as it stands in its document."""
    drawn = _simple_chains(teller) if size <= SIMPLE_WORDS else _mixed_chains(teller)
    chains = fitting(drawn, lambda chain: chain.text, size)
    links = [chain.link for chain in chains]
    facts = [text for chain in chains for text in (chain.fact, *chain.asides)]
    documents = [links, facts]
    for sentences in documents:
        teller.stream.shuffle(sentences)
    teller.stream.shuffle(documents)
    asked = teller.stream.sample(chains, min(MOST_TURNS, len(chains)))
    turns = tuple(Turn(chain.question, f"{chain.link} {chain.fact}") for chain in asked)
    return Exercise("\n".join(map(" ".join, documents)), turns)


def _perhaps_invented_link(teller: Teller, link: Link) -> Link:
    """The link, or in training often an invented one in its place."""
    if not is_time_to_invent(teller):
        return link
    relation = invented_relation(teller, words.name)
    (statement,) = relation.statements
    return Link((statement.replace("{value}", "{other}"),), (f"the {relation.key} of {{name}}",))


def _simple_chains(teller: Teller) -> Iterator[Chain]:
    link = _perhaps_invented_link(teller, teller.stream.choice(LINKS))
    link = link._replace(statements=(teller.sentence(link.statements),))
    relation = perhaps_invented(teller, teller.stream.choice(SIMPLE_RELATIONS)).with_one_statement(teller)
    names = words.different(teller, words.easy_name)
    while True:
        yield _chain(teller, (next(names), next(names)), link, relation)


def _mixed_chains(teller: Teller) -> Iterator[Chain]:
    """Some people have two links, some a fact of their own."""
    links = [_perhaps_invented_link(teller, link) for link in teller.stream.sample(LINKS, 3)]
    relations = [perhaps_invented(teller, relation) for relation in teller.stream.sample(RELATIONS, 3)]
    names = words.different(teller, words.name)
    while True:
        name = next(names)
        relation = teller.stream.choice(relations)
        asides = (state(teller, relation, name).sentence,) if teller.chance(OWN_FACT_SHARE) else ()
        first, *more = teller.stream.sample(links, teller.stream.choice((1, 2)))
        yield _chain(teller, (name, next(names)), first, relation, asides)
        for link in more:
            yield _chain(teller, (name, next(names)), link, teller.stream.choice(relations))


def _chain(
    teller: Teller, people: tuple[str, str], link: Link, relation: Relation, asides: tuple[str, ...] = ()
) -> Chain:
    name, other = people
    said = teller.sentence(link.statements).format(name=name, other=other)
    question = ask(teller, relation, teller.sentence(link.phrases).format(name=name))
    return Chain(said, state(teller, relation, other).sentence, asides, question)


# At 60 words: 6 chains. A guesser who names one of the others says what is true of that one.
TASK = Task("combine", draw_combine, sizes=(24, 400), chance=1 / 6)
