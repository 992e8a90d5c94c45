"""Thoughts and answers are kept apart, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.answers import cut, read
from weft.text.answer_parts import AnswerPart, Content, Reasoning

FRAGMENTS = st.sampled_from(["<think>", "</think>", "<thi", "</th", "ink>", "\n", " ", "a", "b"])


@pytest.mark.parametrize(
    ("text", "is_thinking", "parts"),
    [
        ("<think>\nHm.\n</think>\n\nYes.", False, [Reasoning("Hm."), Content("Yes.")]),
        ("Hm.</think>Yes.", True, [Reasoning("Hm."), Content("Yes.")]),
        ("\n</think>\n\nYes.", True, [Content("Yes.")]),
        ("Hm. </thi", True, [Reasoning("Hm. </thi")]),
        ("Yes. <think>", False, [Content("Yes. <think>")]),
        ("<thi", False, [Content("<thi")]),
        (" ", False, [Content(" ")]),
        ("", True, []),
    ],
)
def test_thoughts_come_first(text: str, is_thinking: bool, parts: list[AnswerPart]) -> None:
    assert read(None, [text], is_thinking=is_thinking) == parts


@pytest.mark.parametrize("is_thinking", [False, True])
@given(texts=cut(st.lists(FRAGMENTS, max_size=8).map("".join)))
def test_cuts_make_no_difference(is_thinking: bool, texts: tuple[str, list[str]]) -> None:
    text, chunks = texts
    whole = read(None, [text], is_thinking=is_thinking)
    assert (
        read(None, chunks, is_thinking=is_thinking)
        == whole
        == read(None, list(text), is_thinking=is_thinking)
    )
