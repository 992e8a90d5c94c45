"""Tool calls fit the tools that are given; chats come back to what was said."""

import json
import re

import pytest

from tests.training.tasks.drawing import draws, pattern
from weft.training.tasks.following_chats import HEARD, REMARKS

BOTH_SIDES = pytest.mark.parametrize("held_out", [False, True])


@BOTH_SIDES
def test_calls_name_the_tool_of_the_wish_and_take_its_arguments_from_it(held_out: bool) -> None:
    for size, exercise in draws("tool", 200, held_out=held_out):
        tools = {}
        for line in exercise.given.split("\n"):
            found = re.fullmatch(r"(\w+): ([a-z ]+) \(([a-z, ]+)\)", line)
            assert found is not None
            tools[found[2]] = found[1], found[3].split(", ")
        assert len(tools) == size
        for question, answer in exercise.turns:
            ((name, parameters),) = [tool for deed, tool in tools.items() if deed in question]
            call = json.loads(answer)
            assert list(call) == ["tool", "arguments"]
            assert call["tool"] == name
            assert list(call["arguments"]) == parameters
            assert all(re.search(rf"\b{value}\b", question) for value in call["arguments"].values())


def test_some_tools_can_be_told_apart_only_by_verb_and_noun_together() -> None:
    alike = 0
    for size, exercise in draws("tool", 200):
        names = [line.split(":")[0].split("_") for line in exercise.given.split("\n")]
        verbs, nouns = zip(*names, strict=True)
        alike += len(set(verbs)) < size or len(set(nouns)) < size
    assert 80 < alike < 180


@pytest.mark.usefixtures("nothing_invented")
@BOTH_SIDES
def test_chats_ask_at_last_for_what_was_said(held_out: bool) -> None:
    for size, exercise in draws("chat", 200, held_out=held_out):
        assert exercise.in_order
        assert exercise.given == ""
        said = {}
        for question, answer in exercise.turns[:-size]:
            if answer == HEARD:
                key, value = remark_of(question)
                said[key] = value
        assert len(said) == size
        final = dict(asked_for(question, answer) for question, answer in exercise.turns[-size:])
        assert final == said


def remark_of(statement: str) -> tuple[int, str]:
    for number, remark in enumerate(REMARKS):
        for template in sorted(remark.statements, key=len, reverse=True):
            if found := pattern(template.replace("{0}", "{value}")).fullmatch(statement):
                return number, found["value"]
    raise AssertionError(statement)


def asked_for(question: str, answer: str) -> tuple[int, str]:
    (number,) = [
        number
        for number, remark in enumerate(REMARKS)
        if question in [template.removeprefix("~") for template in remark.questions]
    ]
    found = pattern(REMARKS[number].answer("{value}")).fullmatch(answer)
    assert found is not None
    return number, found["value"]


def test_some_chats_have_small_talk_in_between() -> None:
    lengths = [len(exercise.turns) - 2 * size for size, exercise in draws("chat", 200)]
    assert min(lengths) == 0
    assert sum(length > 0 for length in lengths) > 50
