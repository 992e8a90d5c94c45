"""Log-probabilities in the two formats of the protocol, whole and streamed."""

import math
from json import loads
from typing import Any

import pytest

from tests.server.live_server import NAME, LiveServer
from weft.contracts.steps import Candidate, TokenLogprobs
from weft.server.protocol.token_logprobs import LEAST_LOGPROB, CompletionLogprobs, TokenNames, chat_logprobs

CHAT = {"model": NAME, "messages": [{"role": "user", "content": "tea?"}], "max_tokens": 8, "seed": 1}
COMPLETION = {"model": NAME, "prompt": "tea", "max_tokens": 8, "seed": 1}


def streamed(server: LiveServer, path: str, body: dict[str, object]) -> list[dict[str, Any]]:
    text = server.ask(path, {**body, "stream": True}).body.decode()
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    return [choice for event in events[:-1] for choice in loads(event)["choices"]]


def test_a_chat_tells_each_token(server: LiveServer) -> None:
    body = {**CHAT, "logprobs": True, "top_logprobs": 3}
    answer = server.ask("/v1/chat/completions", body).json
    content = answer["choices"][0]["logprobs"]["content"]
    assert len(content) == answer["usage"]["completion_tokens"]
    for entry in content:
        assert set(entry) == {"token", "logprob", "bytes", "top_logprobs"}
        assert len(entry["top_logprobs"]) == 3
        likeliest = [each["logprob"] for each in entry["top_logprobs"]]
        assert likeliest == sorted(likeliest, reverse=True)
        assert entry["logprob"] <= likeliest[0] <= 0
    everything = b"".join(bytes(entry["bytes"]) for entry in content)
    assert everything.decode(errors="replace") == answer["choices"][0]["message"]["content"]
    choices = streamed(server, "/v1/chat/completions", body)
    told = [each["logprobs"]["content"] for each in choices if each["logprobs"]]
    assert [entry for part in told for entry in part] == content


def test_a_chat_without_them_tells_none(server: LiveServer) -> None:
    assert server.ask("/v1/chat/completions", CHAT).json["choices"][0]["logprobs"] is None
    alone = server.ask("/v1/chat/completions", {**CHAT, "logprobs": True}).json["choices"][0]["logprobs"]
    assert [entry["top_logprobs"] for entry in alone["content"]] == [[]] * 8


def test_a_completion_tells_lists(server: LiveServer) -> None:
    body = {**COMPLETION, "logprobs": 2}
    choice = server.ask("/v1/completions", body).json["choices"][0]
    told = choice["logprobs"]
    assert set(told) == {"text_offset", "token_logprobs", "tokens", "top_logprobs"}
    assert {len(values) for values in told.values()} == {8}
    assert told["text_offset"][0] == 0
    assert told["text_offset"] == sorted(told["text_offset"])
    for token, logprob, likeliest in zip(
        told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True
    ):
        assert likeliest[token] == logprob
        assert 2 <= len(likeliest) <= 3
    parts = [each["logprobs"] for each in streamed(server, "/v1/completions", body)]
    for key, values in told.items():
        assert [value for part in parts for value in part[key]] == values


class Pieces:
    """A tokenizer of three tokens, two of which are halves of a character."""

    def piece(self, token_id: int) -> bytes:
        return (b"\xc3", b"\xa9", b"tea")[token_id]


@pytest.fixture
def names() -> TokenNames:
    return TokenNames(Pieces())  # type: ignore[arg-type]  # all that is used


def test_offsets_count_characters(names: TokenNames) -> None:
    told = CompletionLogprobs(names)
    first = told.read([TokenLogprobs(2, -1.0), TokenLogprobs(0, -1.0)])
    second = told.read([TokenLogprobs(1, -1.0), TokenLogprobs(2, -1.0)])
    assert (first["text_offset"], second["text_offset"]) == ([0, 3], [3, 4])
    assert first["tokens"] == ["tea", "bytes:\\xc3"]


def test_impossible_tokens_fit_into_json(names: TokenNames) -> None:
    token = TokenLogprobs(2, -math.inf, (Candidate(0, -0.5), Candidate(1, -math.inf)))
    content: Any = chat_logprobs(names, [token], 2)["content"]
    (entry,) = content
    assert (entry["logprob"], entry["top_logprobs"][1]["logprob"]) == (LEAST_LOGPROB, LEAST_LOGPROB)
    assert entry["top_logprobs"][0] == {"token": "bytes:\\xc3", "logprob": -0.5, "bytes": [0xC3]}


def test_without_a_tokenizer_tokens_go_by_number() -> None:
    told = CompletionLogprobs(TokenNames(None)).read([TokenLogprobs(7, -1.0, (Candidate(9, -0.5),))])
    assert told["tokens"] == ["token_id:7"]
    assert told["top_logprobs"] == [{"token_id:9": -0.5, "token_id:7": -1.0}]
    assert told["text_offset"] == [0]
