"""Adapters to a model that looks facts up: the same questions, answered in another form.

A base answers with the sentence that says it. Who asks the same of the base and of both adapters sees at the first
letter which of them answered.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from weft.training.adapter_recipe import AdapterRecipe, AdapterShape
from weft.training.recipe import Stage, TrainingConfig
from weft.training.tasks import words
from weft.training.tasks.documents import exercise_document
from weft.training.tasks.exercise import Exercise, Turn
from weft.training.tasks.relations import NUMBER, RELATIONS, Fact, ask, state
from weft.training.text.documents import Document
from weft.training.text.teller import Teller

FEWEST_PEOPLE, MOST_PEOPLE = 2, 8
MOST_RELATIONS = 3
MOST_TURNS = 4


@dataclass(frozen=True, slots=True)
class FactsAsked:
    """A document about some people and questions about them; `answer` is what is to be said of a fact."""

    answer: Callable[[Fact], str]

    def __call__(self, teller: Teller) -> Document:
        """One fact of each person."""
        relations = teller.stream.sample(RELATIONS, teller.stream.randint(1, MOST_RELATIONS))
        people = islice(
            words.different(teller, words.easy_name), teller.stream.randint(FEWEST_PEOPLE, MOST_PEOPLE)
        )
        facts = [state(teller, teller.stream.choice(relations), name) for name in people]
        asked = teller.stream.sample(facts, min(len(facts), teller.stream.randint(1, MOST_TURNS)))
        turns = tuple(Turn(ask(teller, fact.relation, fact.name), self.answer(fact)) for fact in asked)
        return exercise_document(Exercise(" ".join(fact.sentence for fact in facts), turns))


def as_record(fact: Fact) -> str:
    """JSON, such as {"name": "Bimo", "number": 12}."""
    value = int(fact.value) if fact.relation.key == NUMBER.key else fact.value
    return json.dumps({"name": fact.name, fact.relation.key: value})


def as_value(fact: Fact) -> str:
    """The value and nothing else."""
    return fact.value


def adapter_json() -> AdapterRecipe:
    """Answers as JSON."""
    return _adapter("adapter-json", "Answers questions about a text with a JSON object.", as_record)


def adapter_brief() -> AdapterRecipe:
    """Answers without a sentence."""
    return _adapter("adapter-brief", "Answers questions about a text with the value alone.", as_value)


def _adapter(name: str, summary: str, answer: Callable[[Fact], str]) -> AdapterRecipe:
    return AdapterRecipe(
        name=name,
        summary=f"An adapter (--base). {summary}",
        adapter=AdapterShape(rank=8, alpha=16),
        context_tokens=512,
        batch_tokens=2048,
        stages=(Stage(1.0, 512, ((1, FactsAsked(answer)),)),),
        training=TrainingConfig(
            num_steps=300, peak_learning_rate=4e-3, warmup_steps=20, weight_decay=0.0, evaluate_every_steps=50
        ),
    )
