"""Filling a record: text about somebody is given, and JSON with some keys asked for."""

import json

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.invented import perhaps_invented
from weft.training.tasks.phrasing import put
from weft.training.tasks.relations import RELATIONS, state
from weft.training.text.teller import Teller

ASKS = (
    "Write JSON with these keys: {keys}",
    "Fill in the keys of this JSON object: {schema}",
    "Give me a JSON object with the keys {keys}",
    "JSON with {keys}, please.",
    "~Answer as JSON, with the fields {keys}",
)
LOOSE_ASKS = ("… JSON … {keys}", "… JSON …: {keys}", "… JSON … {schema}", "… JSON … keys {keys} …")
MOST_TURNS = 3
MOST_OTHERS = 2


def draw_json(teller: Teller, size: int) -> Exercise:
    """Records of `size` keys, in the order that is asked for; the text may say more than they need."""
    name = words.name(teller)
    num_relations = min(len(RELATIONS), size - 1 + teller.stream.randint(0, MOST_OTHERS))
    known = teller.stream.sample(RELATIONS, num_relations)
    relations = {relation.key: relation for relation in (perhaps_invented(teller, each) for each in known)}
    facts = [state(teller, relation, name) for relation in relations.values()]
    record: dict[str, str | int] = {"name": name}
    for fact in facts:
        record[fact.relation.key] = int(fact.value) if fact.relation.is_number else fact.value
    numbers = [key for key, relation in relations.items() if relation.is_number]
    turns = (
        _turn(teller, record, numbers, min(size, len(record)))
        for _ in range(teller.stream.randint(1, MOST_TURNS))
    )
    return Exercise(" ".join(fact.sentence for fact in facts), tuple(turns))


def _turn(teller: Teller, record: dict[str, str | int], numbers: list[str], size: int) -> Turn:
    keys = teller.stream.sample(list(record), size)
    asked = put(teller, ASKS, LOOSE_ASKS).format(keys=words.listed(keys), schema=_schema(keys, numbers))
    return Turn(asked, json.dumps({key: record[key] for key in keys}))


def _schema(keys: list[str], numbers: list[str]) -> str:
    return json.dumps({key: "integer" if key in numbers else "string" for key in keys})


# Two values can be given to two keys in two ways.
TASK = Task("json", draw_json, sizes=(2, 6), chance=1 / 2)
