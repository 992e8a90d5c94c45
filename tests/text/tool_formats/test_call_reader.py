"""Calls of every family are read as they were written, however the text is cut; what is none stays text."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.answers import NAMES, cut, read, said
from tests.text.chat_families import FAMILIES, call_message
from weft.text.answer_parts import AnswerPart, CallArguments, CallStart, Content
from weft.text.chat_messages import template_messages
from weft.text.chat_template import ChatTemplate
from weft.text.tool_formats.families import tool_format
from weft.text.tool_formats.tool_format import ToolFormat
from weft.training.chat_format import CHAT_TEMPLATE

TEMPLATES = {**FAMILIES, "weft": CHAT_TEMPLATE}
HERMES = tool_format("hermes", "")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(
    st.tuples(st.sampled_from(sorted(NAMES)), st.dictionaries(st.text(max_size=5), VALUES, max_size=3)),
    min_size=1,
    max_size=3,
)
FRAGMENTS = st.sampled_from(
    [
        *(
            "<tool_call>",
            "</tool_call>",
            "[TOOL_CALLS]",
            "[ARGS]",
            "[CALL_ID]",
            "<tool_",
            "[TOOL",
            "<|python_tag|>",
        ),
        *(
            '{"name": "weather", ',
            '{"tool": "sun", ',
            '"arguments": ',
            '"parameters": ',
            "{}",
            '{"a": "}\\""}',
        ),
        *("{", "}", "[", "]", ", ", ";", "\n", " ", "weather", "sun", "moon", '"', "\\", "x", "é"),
        *('{"name": "weather", "arguments": {"a": 1}}', '{"name": "moon", "parameters": {}}'),
    ]
)


def form_of(family: str) -> ToolFormat:
    form = tool_format("auto", TEMPLATES[family])
    assert form is not None
    return form


@cache
def template_of(family: str) -> ChatTemplate:
    return ChatTemplate(TEMPLATES[family], special_tokens={"bos_token": ""})


def written(family: str, calls: list[tuple[str, dict[str, Any]]]) -> str:
    """Calls as the family's template shows them to the model: what a model of it would write."""
    text = template_of(family).render(template_messages([call_message(calls)]), add_generation_prompt=False)
    return text.partition("assistant: ")[2] or text.partition("<|assistant|>")[2].removesuffix("<|end|>")


def calls_in(parts: list[AnswerPart]) -> list[tuple[str, Any]]:
    names = {part.index: part.name for part in parts if isinstance(part, CallStart)}
    arguments = {part.index: json.loads(part.text) for part in parts if isinstance(part, CallArguments)}
    assert list(names) == list(arguments) == list(range(len(names)))
    return [(names[index], arguments[index]) for index in names]


@pytest.mark.parametrize("family", TEMPLATES)
@given(calls=CALLS)
def test_what_a_template_writes_is_read_back(family: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    parts = read(form_of(family), [written(family, calls)])
    assert calls_in(parts) == calls
    assert said(parts) == ""


@pytest.mark.parametrize("family", TEMPLATES)
@given(texts=cut(st.lists(FRAGMENTS, max_size=8).map("".join)))
def test_cuts_make_no_difference(family: str, texts: tuple[str, list[str]]) -> None:
    text, chunks = texts
    whole = read(form_of(family), [text])
    assert read(form_of(family), chunks) == whole == read(form_of(family), list(text))
    if not any(isinstance(part, CallStart) for part in whole):
        assert said(whole) == text


@pytest.mark.parametrize("family", TEMPLATES)
@given(text=st.text(max_size=40))
def test_text_stays_text(family: str, text: str) -> None:
    assert said(read(form_of(family), list(text))) == text


@pytest.mark.parametrize("family", TEMPLATES)
def test_calls_of_tools_that_were_not_given_stay_text(family: str) -> None:
    text = written(family, [("moon", {"a": 1})])
    assert read(form_of(family), [text]) == [Content(text)]


@pytest.mark.parametrize(
    "text",
    [
        "a <tool_call>x",
        '<tool_call>{"name": "weather", "argum',
        '<tool_call>{"name": "weather", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "weather"}</tool_call>',
        '<tool_call>{"name": weather, "arguments": {"a": 1}}</tool_call>',
        "<tool_call>",
        "<tool_ca",
    ],
)
def test_what_begins_like_a_call_and_is_none_stays_text(text: str) -> None:
    assert read(HERMES, [text]) == [Content(text)]


@pytest.mark.parametrize(
    "call",
    [
        '{"arguments": {"a": 1}, "name": "weather"}',
        '{"name": "weather", "arguments": "{\\"a\\": 1}"}',
        '{"id": 3, "name": "weather", "parameters": {"a": 1}}',
        '{"name": "weather", "arguments": {"a": 1}, "id": "}"}',
    ],
)
def test_calls_in_another_order_are_read_too(call: str) -> None:
    parts = read(HERMES, [f"<tool_call>{call}</tool_call>"])
    assert (calls_in(parts), said(parts)) == ([("weather", {"a": 1})], "")


def test_text_around_calls_is_told_without_the_space_between() -> None:
    call = '<tool_call>\n{"name": "sun", "arguments": {}}\n</tool_call>'
    parts = read(HERMES, [f"  Let me see.\n{call}\n{call}\n Done. "])
    assert [type(part) for part in parts] == [Content, *2 * [CallStart, CallArguments], Content]
    assert said(parts) == "  Let me see.\n Done. "


def test_arguments_are_told_as_they_come() -> None:
    text = '<tool_call>\n{"name": "sun", "arguments": {"a": 12'
    assert read(HERMES, [text])[-1] == CallArguments(0, '{"a": 12')


def test_a_semicolon_or_nothing_stands_between_calls_of_llama() -> None:
    call = '{"name": "sun", "parameters": {}}'
    for between in ("; ", ";", "", "\n"):
        parts = read(form_of("llama3"), [f"<|python_tag|>{call}{between}{call}"])
        assert (calls_in(parts), said(parts)) == (2 * [("sun", {})], "")
    assert said(read(form_of("llama3"), [f"Look: {call}"])) == f"Look: {call}"
