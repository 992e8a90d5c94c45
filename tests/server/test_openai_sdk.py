"""The server as users see it: through the openai SDK, sync and async, against what `AsyncLLM` gives."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.llm.tiny_model import END
from tests.server.live_server import NAME, OPTIONS, LiveServer
from weft import AsyncLLM, RequestOutput, SamplingParams

MESSAGES: Any = [{"role": "user", "content": "tea?"}]
COMMON: dict[str, Any] = {"model": NAME, "max_tokens": 12, "seed": 7, "temperature": 1.0}
SAMPLING = SamplingParams(max_tokens=12, seed=7, temperature=1.0)


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def expected(model: Path, prompt: Any, sampling: SamplingParams) -> RequestOutput:
    """What the Python API gives; `prompt` is a conversation where it is a list of messages."""

    async def ask() -> RequestOutput:
        async with AsyncLLM(model, **OPTIONS) as llm:
            if isinstance(prompt, list) and isinstance(prompt[0], dict):
                return await llm.chat(prompt, sampling)
            return await llm.generate(prompt, sampling)

    return asyncio.run(ask())


def test_a_chat_is_what_the_python_api_gives(client: openai.OpenAI, model: Path) -> None:
    known = expected(model, MESSAGES, SAMPLING)
    answer = client.chat.completions.create(messages=MESSAGES, **COMMON)
    (choice,), output = answer.choices, known.outputs[0]
    assert (choice.message.role, choice.message.content) == ("assistant", output.text)
    assert (choice.finish_reason, choice.index) == (output.finish_reason, 0)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(known.prompt_token_ids)
    assert answer.usage.completion_tokens == len(output.token_ids)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert (answer.model, answer.object, answer.id[:9]) == (NAME, "chat.completion", "chatcmpl-")


def test_a_streamed_chat_joined_is_the_whole(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(messages=MESSAGES, n=2, **COMMON)
    pieces = list(
        client.chat.completions.create(
            messages=MESSAGES, n=2, stream=True, stream_options={"include_usage": True}, **COMMON
        )
    )
    *told, last = pieces
    for index in range(2):
        news = [choice for piece in told for choice in piece.choices if choice.index == index]
        assert news[0].delta.role == "assistant"
        assert "".join(each.delta.content or "" for each in news) == whole.choices[index].message.content
        assert [each.finish_reason for each in news][-2:] == [None, whole.choices[index].finish_reason]
    assert all(piece.usage is None for piece in told)
    assert (last.choices, last.usage) == ([], whole.usage)
    assert len({piece.id for piece in pieces}) == 1
    assert whole.choices[0].message.content != whole.choices[1].message.content


def test_the_usage_so_far_is_told_with_every_piece(client: openai.OpenAI) -> None:
    alone: Any = {"continuous_usage_stats": True}
    options: Any = {**alone, "include_usage": True}
    asked: Any = {**COMMON, "messages": MESSAGES, "extra_body": {"ignore_eos": True}}
    *told, last = client.chat.completions.create(stream=True, stream_options=options, **asked)
    counts = [piece.usage.completion_tokens for piece in told if piece.usage is not None]
    assert len(counts) == len(told)
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 12)
    assert last.usage is not None
    assert {piece.usage.prompt_tokens for piece in told if piece.usage} == {last.usage.prompt_tokens}
    with pytest.raises(openai.BadRequestError, match="continuous_usage_stats is given without include_usage"):
        client.chat.completions.create(
            stream=True,
            stream_options=alone,
            **asked,
        )


def test_completions_of_every_kind_of_prompt_come_in_order(client: openai.OpenAI, model: Path) -> None:
    texts, ids = ["the quick", "seven wizards"], [[5, 6, 7], [8, 9]]
    for prompt, each in (("tea", ["tea"]), (texts, texts), ([5, 6], [[5, 6]]), (ids, ids)):
        answer = client.completions.create(prompt=prompt, n=2, **COMMON)
        known = [expected(model, one, SamplingParams(max_tokens=12, seed=7, n=2)) for one in each]
        outputs = [output for one in known for output in one.outputs]
        assert [choice.text for choice in answer.choices] == [output.text for output in outputs]
        assert [choice.index for choice in answer.choices] == list(range(2 * len(each)))
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == sum(len(one.prompt_token_ids) for one in known)
        assert answer.usage.completion_tokens == sum(len(output.token_ids) for output in outputs)
        streamed = client.completions.create(prompt=prompt, n=2, stream=True, **COMMON)
        joined = dict.fromkeys(range(len(outputs)), "")
        for piece in streamed:
            for choice in piece.choices:
                joined[choice.index] += choice.text
        assert list(joined.values()) == [output.text for output in outputs]


def test_the_protocols_default_is_sixteen_tokens(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=NAME, prompt="tea", extra_body={"ignore_eos": True})
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16
    assert answer.choices[0].finish_reason == "length"


def test_a_chat_without_a_limit_ends_at_the_models_own(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=NAME, messages=MESSAGES, extra_body={"ignore_eos": True}, max_completion_tokens=None
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 40  # max_new_tokens of its generation_config.json


def test_stop_strings_and_stop_tokens_end_an_output(client: openai.OpenAI) -> None:
    plain = client.completions.create(prompt="tea", **COMMON).choices[0].text
    stop = plain[4:6]
    for given in (stop, [stop, "never there"]):
        choice = client.completions.create(prompt="tea", stop=given, **COMMON).choices[0]
        assert (choice.text, choice.finish_reason) == (plain.partition(stop)[0], "stop")
        assert choice.stop_reason == stop
    forced = client.completions.create(prompt="tea", logit_bias={str(END): 100}, **COMMON)
    assert (forced.choices[0].text, forced.choices[0].finish_reason) == ("", "stop")
    later = client.completions.create(
        prompt="tea", logit_bias={str(END): 100}, extra_body={"min_tokens": 3}, **COMMON
    )
    assert later.usage is not None
    assert later.usage.completion_tokens == 4
    own = client.completions.create(
        prompt="tea", logit_bias={"50": 100}, extra_body={"stop_token_ids": [50]}, **COMMON
    )
    assert own.choices[0].stop_reason == 50


def test_what_shapes_the_choice_of_tokens_arrives(client: openai.OpenAI, model: Path) -> None:
    given: dict[str, Any] = {
        "temperature": 0.7,
        "top_p": 0.8,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.3,
    }
    ours: dict[str, Any] = {"top_k": 20, "min_p": 0.01, "repetition_penalty": 1.1, "ignore_eos": True}
    known = expected(model, "the", SamplingParams(max_tokens=30, seed=3, **given, **ours))
    answer = client.completions.create(
        model=NAME, prompt="the", max_tokens=30, seed=3, extra_body=ours, **given
    )
    assert answer.choices[0].text == known.outputs[0].text


def test_without_a_seed_outputs_differ(client: openai.OpenAI) -> None:
    texts = {
        client.completions.create(model=NAME, prompt="the", temperature=1).choices[0].text for _ in range(4)
    }
    assert len(texts) > 1
    twice = client.completions.create(model=NAME, prompt=["the", "the"], temperature=1, max_tokens=30)
    assert twice.choices[0].text != twice.choices[1].text


def test_models_are_listed(client: openai.OpenAI) -> None:
    (found,) = client.models.list()
    assert (found.id, found.owned_by) == (NAME, "weft")
    assert client.models.retrieve(NAME) == found
    with pytest.raises(openai.NotFoundError, match="model 'other' is not served here; served are: 'tiny'"):
        client.models.retrieve("other")


def test_the_async_client_gets_the_same(server: LiveServer, client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(messages=MESSAGES, **COMMON)

    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:

            async def one() -> str:
                stream = await made.chat.completions.create(messages=MESSAGES, stream=True, **COMMON)
                return "".join([piece.choices[0].delta.content or "" async for piece in stream])

            return await asyncio.gather(*(one() for _ in range(8)))

    assert asyncio.run(ask()) == [whole.choices[0].message.content] * 8
