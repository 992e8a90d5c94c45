"""Draws of the tasks for the tests beside this file, and what can be read from them."""

import math
import re
from collections.abc import Iterator

from weft.training.tasks.catalogue import TASKS
from weft.training.tasks.exercise import Exercise, Task
from weft.training.tasks.json_filling import NOTES
from weft.training.tasks.relations import RELATIONS, Relation
from weft.training.text.streams import named_stream
from weft.training.text.teller import UNSEEN, Teller


def teller_of(seed: int, *, held_out: bool = False) -> Teller:
    return Teller(named_stream(seed, "tasks"), held_out)


def draws(name: str, count: int, *, held_out: bool = False, seed: int = 1) -> Iterator[tuple[int, Exercise]]:
    """Exercises of all sizes, each with its size; more small ones than large ones."""
    task, teller = TASKS[name], teller_of(seed, held_out=held_out)
    for _ in range(count):
        size = size_of(task, teller)
        yield size, task.draw(teller, size)


def size_of(task: Task, teller: Teller) -> int:
    low, high = task.sizes
    return round(low * math.pow(high / low, teller.stream.random()))


def text_of(exercise: Exercise) -> str:
    return "\n".join((exercise.given, *(part for turn in exercise.turns for part in turn)))


def after_colon(question: str) -> list[str]:
    """The list that a question ends with."""
    return question.rpartition(": ")[2].split(", ")


def pattern(template: str, **known: str) -> re.Pattern[str]:
    """What a filled template looks like; slots that are not known become groups."""
    text = re.escape(template.removeprefix(UNSEEN)).replace(r"\{", "{").replace(r"\}", "}")
    for slot, meaning in known.items():
        text = text.replace(f"{{{slot}}}", re.escape(meaning))
    text = text.replace("{a_value}", r"(?:a|an) (?P<value>\w+ \w+)").replace(
        "{value}", r"(?P<value>\w+(?: \w+)?)"
    )
    return re.compile(text.replace("{name}", r"(?P<name>[A-Z]\w+)"))


def read_statement(sentence: str) -> tuple[str, Relation, str] | None:
    """Who, which relation, and what; None where it says none. The longest template that fits is the one."""
    for said, relation in _STATEMENTS:
        if found := said.fullmatch(sentence):
            return found["name"], relation, found["value"]
    return None


def read_question(question: str) -> tuple[str, Relation]:
    """Of whom (a name or a phrase) which relation is asked."""
    for asked, relation in _QUESTIONS:
        if found := asked.fullmatch(question):
            return found["whom"], relation
    raise AssertionError(question)


def read_notes(notes: str) -> dict[str, str]:
    """Values by their keys."""
    for template in NOTES:
        note = pattern(template, key="KEY")
        note = re.compile(note.pattern.replace("KEY", r"(?P<key>\w+)"))
        found = [note.fullmatch(said) for said in notes.split(", ")]
        if all(found):
            return {match["key"]: match["value"] for match in found if match}
    raise AssertionError(notes)


_STATEMENTS = [
    (pattern(said), relation)
    for relation in RELATIONS
    for said in sorted(relation.statements, key=lambda said: "the code word" not in said)
]
_QUESTIONS = [
    (re.compile(pattern(asked, name="WHOM").pattern.replace("WHOM", r"(?P<whom>[\w ]+)")), relation)
    for relation in RELATIONS
    for asked in relation.questions
]
