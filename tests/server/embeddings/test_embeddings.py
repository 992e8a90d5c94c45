"""/v1/embeddings, through the openai SDK and by hand."""

import base64
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import openai
import pytest

from tests.server.live_server import NAME, LiveServer

TEXTS = ["the sea", "an old house", "tea"]


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def vectors(client: openai.OpenAI, texts: Any, **more: Any) -> list[list[float]]:
    answer = client.embeddings.create(model=NAME, input=texts, **more)
    assert [each.index for each in answer.data] == list(range(len(answer.data)))
    return [each.embedding for each in answer.data]


def length(vector: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in vector))


def test_each_text_has_its_own_vector_of_length_1(client: openai.OpenAI, server: LiveServer) -> None:
    together = vectors(client, TEXTS)
    assert together == [vectors(client, text)[0] for text in TEXTS]
    assert len({tuple(vector) for vector in together}) == len(TEXTS)
    for vector in together:
        assert len(vector) == server.llm.serving.spec.hidden_size
        assert length(vector) == pytest.approx(1.0, abs=1e-6)


def test_texts_and_their_tokens_are_the_same(client: openai.OpenAI, server: LiveServer) -> None:
    tokens = [list(server.llm.prompting.encode(text)) for text in TEXTS]
    assert vectors(client, tokens) == vectors(client, TEXTS)
    assert vectors(client, tokens[0]) == vectors(client, TEXTS[0])


def test_both_encodings_say_the_same(server: LiveServer) -> None:
    body = {"model": NAME, "input": TEXTS}
    plain = server.ask("/v1/embeddings", body).json
    encoded = server.ask("/v1/embeddings", {**body, "encoding_format": "base64"}).json
    assert plain["usage"] == encoded["usage"]
    assert plain["usage"]["prompt_tokens"] == plain["usage"]["total_tokens"] > 0
    for numbers, text in zip(plain["data"], encoded["data"], strict=True):
        raw = base64.b64decode(text["embedding"])
        assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == numbers["embedding"]


def test_usage_counts_all_tokens(client: openai.OpenAI, server: LiveServer) -> None:
    answer = client.embeddings.create(model=NAME, input=TEXTS)
    assert answer.usage.prompt_tokens == sum(len(server.llm.prompting.encode(text)) for text in TEXTS)
    assert (answer.model, answer.object, answer.data[0].object) == (NAME, "list", "embedding")


def test_fewer_dimensions_are_the_first_ones(client: openai.OpenAI) -> None:
    (whole,), (short,) = vectors(client, "tea"), vectors(client, "tea", dimensions=5)
    assert len(short) == 5
    assert length(short) == pytest.approx(1.0, abs=1e-6)
    assert [value * length(whole[:5]) for value in short] == pytest.approx(whole[:5], abs=1e-6)
    assert vectors(client, "tea", dimensions=len(whole)) == [whole]


def test_notes_change_nothing(client: openai.OpenAI) -> None:
    assert vectors(client, "tea", user="somebody", extra_body={"priority": 3}) == vectors(client, "tea")


@pytest.mark.parametrize(
    ("change", "status", "param", "says"),
    [
        ({"input": []}, 400, "input", "between 1 and 2048 prompts"),
        ({"input": [1, "tea"]}, 400, "input", "a string, a list of strings"),
        ({"input": [[1.5]]}, 400, "input", "a string, a list of strings"),
        ({"input": [100_000]}, 400, None, "ids are 0 to"),
        ({"input": ["tea"] * 2049}, 400, "input", "between 1 and 2048 prompts"),
        ({"input": [3] * 2049}, 400, None, "it must stay within 2048"),
        ({"dimensions": 0}, 400, "dimensions", "greater than or equal to 1"),
        ({"dimensions": 17}, 400, "dimensions", "it must be at most 16"),
        ({"encoding_format": "hex"}, 400, "encoding_format", "'float' or 'base64'"),
        ({"pooling": "mean"}, 400, "pooling", "is unknown"),
        ({"model": "another"}, 404, "model", "is not served here"),
        ({"user": "x" * 200}, 400, "user", "at most 128"),
    ],
)
def test_what_is_wrong_is_named(
    server: LiveServer, change: dict[str, Any], status: int, param: str | None, says: str
) -> None:
    reply = server.ask("/v1/embeddings", {"model": NAME, "input": "tea", **change})
    assert (reply.status, reply.error["param"]) == (status, param)
    assert says in reply.error["message"]


def test_a_prompt_may_fill_the_context(server: LiveServer) -> None:
    """No output needs room beside it."""
    reply = server.ask("/v1/embeddings", {"model": NAME, "input": [3] * 2048})
    assert (reply.status, reply.json["usage"]["prompt_tokens"]) == (200, 2048)
