"""What a model thinks, in the protocols whose answers are items."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.llm.tiny_model import make_model
from tests.server.live_server import NAME, LiveServer, live_server
from tests.server.messages.test_messages import events, runs
from tests.text import tiny
from weft.server.protocol.answer_items import AnswerItems
from weft.text.answer_parts import AnswerPart, CallArguments, CallStart, Content, Reasoning
from weft.text.answer_reader import AnswerReader

TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.reasoning_content }} {{ message.content }}{% endfor %}"
    "{% if enable_thinking is not defined or enable_thinking %}<think>{% else %}<think></think>{% endif %}"
)
TURNS = [{"role": "user", "content": "tea?"}]


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Serves a model that thinks unless it is told not to; it never comes to an end."""
    model = make_model(tmp_path_factory.mktemp("thinks") / "tiny", max_position_embeddings=512)
    (model / "tokenizer_config.json").write_text(json.dumps({**tiny.CONFIG, "chat_template": TEMPLATE}))
    with live_server(model) as up:
        yield up


def test_thoughts_are_blocks_of_a_message(thinker: LiveServer) -> None:
    body: dict[str, Any] = {"model": NAME, "max_tokens": 6, "messages": TURNS, "temperature": 0}
    told = events(thinker, "/v1/messages", body)
    assert runs([each["type"] for each in told])[1:4] == [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    ]
    assert told[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    thoughts = "".join(
        each["delta"].get("thinking", "") for each in told if "index" in each and "delta" in each
    )
    (block,) = thinker.ask("/v1/messages", body).json["content"]
    assert block == {"type": "thinking", "thinking": thoughts, "signature": ""}
    (block,) = thinker.ask("/v1/messages", {**body, "thinking": {"type": "disabled"}}).json["content"]
    assert block["type"] == "text"
    (block,) = thinker.ask("/v1/messages", {**body, "thinking": {"type": "adaptive"}}).json["content"]
    assert block["type"] == "thinking"


def test_thoughts_are_items_of_a_response(thinker: LiveServer) -> None:
    body: dict[str, Any] = {"model": NAME, "max_output_tokens": 6, "input": "tea?", "temperature": 0}
    told = events(thinker, "/v1/responses", body)
    assert runs([each["type"] for each in told]) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    (item,) = told[-1]["response"]["output"]
    assert (item["type"], item["status"]) == ("reasoning", "incomplete")
    thoughts = "".join(each["delta"] for each in told if each["type"].endswith("delta"))
    assert item["content"] == [{"type": "reasoning_text", "text": thoughts}]
    going_on: dict[str, Any] = {**body, "input": [{"role": "user", "content": "tea?"}, item]}
    assert thinker.ask("/v1/responses", going_on).status == 200
    (item,) = thinker.ask("/v1/responses", {**body, "reasoning": {"effort": "none"}}).json["output"]
    assert item["type"] == "message"


class ToldReader(AnswerReader):
    """Reads parts that are known beforehand, one for each text."""

    def __init__(self, parts: list[AnswerPart]) -> None:
        super().__init__()
        self._parts = iter(parts)

    def feed(self, text: str) -> list[AnswerPart]:
        return [next(self._parts)]


TEXT = st.text(min_size=1, max_size=3)
CALL = st.lists(TEXT, max_size=3)


@given(st.lists(TEXT.map(Content) | TEXT.map(Reasoning) | CALL, max_size=6))
def test_items_are_runs_of_parts(said: list[Any]) -> None:
    parts = list[AnswerPart]()
    for index, each in enumerate(said):
        if isinstance(each, list):
            parts += [CallStart(index, f"call_{index}", "f"), *(CallArguments(index, text) for text in each)]
        else:
            parts.append(each)
    answer = AnswerItems(ToldReader(parts))
    news = [each for _ in parts for each in answer.feed("x")] + answer.end(is_cut=False)
    assert [each.item.index for each in news] == sorted(each.item.index for each in news)
    for item in answer.items:
        own = [each for each in news if each.item.index == item.index]
        assert [each.kind for each in own] == ["opened", *["grown"] * (len(own) - 2), "closed"]
        assert "".join(each.text for each in own) == item.text
        assert own[0].item.text == ""
    assert "".join(item.text for item in answer.items) == "".join(
        part.text for part in parts if not isinstance(part, CallStart)
    )
    kinds = [item.kind for item in answer.items]
    assert all(kind == "call" or kind != before for kind, before in zip(kinds[1:], kinds, strict=False))
