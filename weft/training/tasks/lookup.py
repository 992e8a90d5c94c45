"""Looking facts up: documents about named people are given, and questions about some of them asked."""

from collections.abc import Iterator

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.invented import perhaps_invented
from weft.training.tasks.passages import fillers, fitting, interleaved
from weft.training.tasks.relations import RELATIONS, SIMPLE_RELATIONS, Fact, ask, state
from weft.training.text.teller import Teller

SIMPLE_WORDS = 40
"""Up to this size all facts are of one relation, said in the same way, of short words."""

BARE_WORDS = 120
"""Up to this size there is nothing but facts."""

FILLER_SHARE = 0.4
"""Of the words of larger documents."""

MOST_TURNS = 8


def draw_lookup(teller: Teller, size: int) -> Exercise:
    """The answer is the sentence that says it, as it stands in the document."""
    between_words = int(FILLER_SHARE * size) if size > BARE_WORDS else 0
    drawn = _simple_facts(teller) if size <= SIMPLE_WORDS else _mixed_facts(teller, size)
    facts = fitting(drawn, lambda fact: fact.sentence, size - between_words)
    teller.stream.shuffle(facts)
    between = fillers(teller, [fact.name for fact in facts], between_words) if between_words else []
    given = interleaved(teller, [fact.sentence for fact in facts], between)
    asked = teller.stream.sample(facts, min(MOST_TURNS, len(facts)))
    return Exercise(" ".join(given), tuple(_turn(teller, fact) for fact in asked))


def _turn(teller: Teller, fact: Fact) -> Turn:
    return Turn(ask(teller, fact.relation, fact.name), fact.sentence)


def _simple_facts(teller: Teller) -> Iterator[Fact]:
    relation = perhaps_invented(teller, teller.stream.choice(SIMPLE_RELATIONS)).with_one_statement(teller)
    for name in words.different(teller, words.easy_name):
        yield state(teller, relation, name)


def _mixed_facts(teller: Teller, size: int) -> Iterator[Fact]:
    """One to three of each person; the larger the document, the more relations."""
    known = teller.stream.sample(RELATIONS, min(len(RELATIONS), 3 + size // 120))
    relations = [perhaps_invented(teller, relation) for relation in known]
    for name in words.different(teller, words.name):
        for relation in teller.stream.sample(relations, teller.stream.choice((1, 2, 3))):
            yield state(teller, relation, name)


# 720 words and eight turns are some 1,750 tokens of a vocabulary of 1,024.
# At 60 words: some 12 facts of 3 relations, so 4 values to choose from.
TASK = Task("lookup", draw_lookup, sizes=(12, 720), chance=1 / 4)
