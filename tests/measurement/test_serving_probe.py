"""What is found out of servers before they are measured."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from tests.measurement.scripted_server import MODEL, Script, scripted_server
from weft.contracts.errors import ConfigurationError, WeftError
from weft.contracts.prompts import LengthPrompt
from weft.measurement.serving_probe import VOCABULARIES, find_bodies
from weft.measurement.serving_requests import WORDS, Bodies, Wording
from weft.measurement.serving_target import Target, find_target
from weft.workloads.conversation_prompt import ConversationPrompt

Found = TypeVar("Found")


def at_target(
    url: str, use: Callable[[Target], Awaitable[Found]], model: str | None = None, key: str | None = None
) -> Found:
    async def main() -> Found:
        async with find_target(url, model, key) as target:
            return await use(target)

    return asyncio.run(main())


async def itself(target: Target) -> Target:
    return target


def found(script: Script, endpoint: str = "completions") -> Bodies:
    async def find(target: Target) -> Bodies:
        return await find_bodies(target, endpoint, seed=0)

    with scripted_server(script) as up:
        return at_target(up.url, find, MODEL)


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_a_url_with_or_without_the_version(ending: str) -> None:
    with scripted_server(Script(max_model_len=512)) as up:
        target = at_target(up.url + ending, itself)
    assert (target.url, target.model, target.max_model_len) == (up.url, MODEL, 512)


def test_the_most_exact_way_is_taken() -> None:
    bodies = found(Script())
    assert bodies == Bodies(MODEL, "completions", VOCABULARIES[0], forces_length=True, asks_usage=True)


def test_each_field_that_is_refused_is_left_out() -> None:
    without_force = found(Script(refused_fields=("min_tokens",)))
    assert (without_force.vocabulary_tokens, without_force.forces_length) == (VOCABULARIES[0], False)
    without_usage = found(Script(refused_fields=("stream_options",)))
    assert (without_usage.forces_length, without_usage.asks_usage) == (True, False)


def test_text_is_measured_where_no_ids_are_taken() -> None:
    bodies = found(Script(takes_ids=False))
    assert bodies.vocabulary_tokens is None
    assert bodies.wording == Wording(tokens_per_word=2.0, added_tokens=3.0)
    text = bodies.body(LengthPrompt(43), "a", 5)["prompt"]
    assert len(text.split()) == 20


def test_a_chat_is_text() -> None:
    body = found(Script(), "chat").body(LengthPrompt(23), "a", 5)
    assert len(body["messages"][0]["content"].split()) == 10
    assert (body["max_tokens"], body["min_tokens"], body["ignore_eos"]) == (5, 5, True)


def test_a_word_is_a_token_where_nobody_counts() -> None:
    assert found(Script(takes_ids=False, tells_usage=False)).wording == Wording()


def test_a_server_that_refuses_everything_is_named() -> None:
    with pytest.raises(
        WeftError, match=r"does not answer a plain request \(HTTP 400 \(scripted\): no .*\); see"
    ):
        found(Script(refused_fields=("model",)))
    with pytest.raises(WeftError, match="HTTP 503"):
        found(Script(fails={0: 503}))


@pytest.mark.parametrize("vocabulary_tokens", [None, 256])
def test_prompts_begin_alike_where_their_content_does(vocabulary_tokens: int | None) -> None:
    bodies = Bodies("m", "completions", vocabulary_tokens, True, True)
    first, second = (
        bodies.body(ConversationPrompt(64, number, prefix=1, prefix_tokens=32), str(number), 1)["prompt"]
        for number in (1, 2)
    )
    one, other = (prompt.split() if isinstance(prompt, str) else prompt for prompt in (first, second))
    assert len(one) == 64
    assert one[:32] == other[:32]
    assert one[32:] != other[32:]


def test_words_are_all_different() -> None:
    assert len(set(WORDS)) == len(WORDS) > 64


def test_unknown_models_are_answered_with_the_known() -> None:
    with (
        scripted_server(Script()) as up,
        pytest.raises(ConfigurationError, match="no model 'x'; choose from: scripted"),
    ):
        at_target(up.url, itself, "x")


def test_a_server_without_a_list_needs_a_name() -> None:
    with scripted_server(Script(lists_models=False)) as up:
        assert at_target(up.url, itself, "x").max_model_len is None
        with pytest.raises(ConfigurationError, match="name one with --model"):
            at_target(up.url, itself)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://here", "http://", "http://[::1", "http://here:99999"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the URL is .*; give one such as http://127.0.0.1:8000"):
        at_target(url, itself)


def test_no_server_there() -> None:
    with scripted_server(Script()) as up:
        url = up.url
    with pytest.raises(WeftError, match=r"no server answers at .*; start one, or correct --url"):
        at_target(url, itself)


def test_a_page_that_is_no_list_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Any = {"hello": 1}
    monkeypatch.setattr(
        "tests.measurement.scripted_server._Handler.do_GET", lambda self: self._reply(200, answer)
    )
    with scripted_server(Script()) as up, pytest.raises(WeftError, match="is no list of models"):
        at_target(up.url, itself)
