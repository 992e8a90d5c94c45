"""Filling a record: notes about somebody are given, and JSON with some keys asked for.

Notes name what they are about as the record does: a key that no text mentions could only be guessed.
"""

import json

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.invented import perhaps_invented
from weft.training.tasks.phrasing import put
from weft.training.tasks.relations import RELATIONS
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
NOTES = ("{key}: {value}", "{key} = {value}", '{key} "{value}"', "{key} ({value})", "~{key} / {value}")


def draw_json(teller: Teller, size: int) -> Exercise:
    """Records of `size` keys, in the order that is asked for; the text may say more than they need."""
    name = words.name(teller)
    num_relations = min(len(RELATIONS), size - 1 + teller.stream.randint(0, MOST_OTHERS))
    known = teller.stream.sample(RELATIONS, num_relations)
    relations = {relation.key: relation for relation in (perhaps_invented(teller, each) for each in known)}
    record = {"name": name} | {key: relation.value(teller) for key, relation in relations.items()}
    numbers = [key for key, relation in relations.items() if relation.is_number]
    turns = (
        _turn(teller, record, numbers, min(size, len(record)))
        for _ in range(teller.stream.randint(1, MOST_TURNS))
    )
    return Exercise(_notes(teller, record), tuple(turns))


def _notes(teller: Teller, record: dict[str, str]) -> str:
    """In any order, all in one form."""
    note = teller.sentence(NOTES)
    keys = teller.stream.sample(list(record), len(record))
    return words.listed([note.format(key=key, value=record[key]) for key in keys])


def _turn(teller: Teller, record: dict[str, str], numbers: list[str], size: int) -> Turn:
    keys = teller.stream.sample(list(record), size)
    asked = put(teller, ASKS, LOOSE_ASKS).format(keys=words.listed(keys), schema=_schema(keys, numbers))
    values = {key: int(record[key]) if key in numbers else record[key] for key in keys}
    return Turn(asked, json.dumps(values))


def _schema(keys: list[str], numbers: list[str]) -> str:
    return json.dumps({key: "integer" if key in numbers else "string" for key in keys})


# Two values can be given to two keys in two ways.
TASK = Task("json", draw_json, sizes=(2, 6), chance=1 / 2)
