"""Completions that tell of their prompts: echo, prompt_logprobs, no output at all, and the best of several."""

from collections.abc import Iterator
from json import loads
from typing import Any

import openai
import pytest

from tests.server.live_server import NAME, LiveServer

PROMPT = "the old house by the sea"
COMPLETION: dict[str, Any] = {"model": NAME, "prompt": PROMPT, "max_tokens": 6, "seed": 1}


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def ask(server: LiveServer, **change: Any) -> dict[str, Any]:
    reply = server.ask("/v1/completions", {**COMPLETION, **change})
    assert reply.status == 200, reply.body
    answer: dict[str, Any] = reply.json
    return answer


def streamed(server: LiveServer, **change: Any) -> list[dict[str, Any]]:
    text = server.ask("/v1/completions", {**COMPLETION, **change, "stream": True}).body.decode()
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert events.pop() == "[DONE]"
    return [choice for event in events for choice in loads(event)["choices"]]


def refusal(server: LiveServer, **change: Any) -> tuple[int, str, str]:
    reply = server.ask("/v1/completions", {**COMPLETION, **change})
    return reply.status, reply.error["param"], reply.error["message"]


def test_echo_puts_the_prompt_before_each_output(server: LiveServer) -> None:
    plain, echoed = ask(server, n=2), ask(server, n=2, echo=True)
    assert [c["text"] for c in echoed["choices"]] == [PROMPT + c["text"] for c in plain["choices"]]
    assert echoed["usage"] == plain["usage"]
    tokens = list(server.llm.prompting.encode(PROMPT))
    several = ask(server, n=2, echo=True, prompt=[PROMPT, "tea"])["choices"]
    assert [c["text"].startswith(p) for c, p in zip(several, [PROMPT, PROMPT, "tea", "tea"], strict=True)]
    assert ask(server, echo=True, prompt=tokens)["choices"][0]["text"].startswith(PROMPT)


@pytest.mark.parametrize("max_tokens", [0, 1, 6])
def test_echo_with_logprobs_scores_the_prompt(server: LiveServer, max_tokens: int) -> None:
    (choice,) = ask(server, echo=True, logprobs=2, max_tokens=max_tokens)["choices"]
    told, prompt = choice["logprobs"], server.llm.prompting.encode(PROMPT)
    assert {len(values) for values in told.values()} == {len(prompt) + max_tokens}
    assert (told["token_logprobs"][0], told["top_logprobs"][0]) == (None, None)
    assert all(logprob <= 0 for logprob in told["token_logprobs"][1:])
    assert all(2 <= len(likeliest) <= 3 for likeliest in told["top_logprobs"][1:])
    assert told["text_offset"] == sorted(told["text_offset"])
    if max_tokens:
        assert told["text_offset"][len(prompt)] == len(PROMPT)
        output = ask(server, logprobs=2, max_tokens=max_tokens)["choices"][0]["logprobs"]
        for key in ("tokens", "token_logprobs", "top_logprobs"):
            assert told[key][len(prompt) :] == output[key]


def test_a_scored_output_is_worth_what_it_was_worth_when_sampled(server: LiveServer) -> None:
    """What the model says of its own output, read as a prompt; bit for bit, as one backend computes both."""
    prompt = list(server.llm.prompting.encode(PROMPT))
    asked = {"ignore_eos": True, "temperature": 0.0, "logprobs": 0}
    sampled = ask(server, prompt=prompt, **asked)["choices"][0]["logprobs"]["token_logprobs"]
    chosen = ask(server, prompt=prompt, prompt_logprobs=0, **asked)
    assert chosen["choices"][0]["logprobs"]["token_logprobs"] == sampled
    tokens = _output_tokens(server, prompt)
    scored = ask(server, prompt=prompt + tokens, echo=True, logprobs=0, max_tokens=0)
    assert scored["choices"][0]["logprobs"]["token_logprobs"][len(prompt) :] == sampled
    assert scored["usage"]["completion_tokens"] == 0
    assert scored["choices"][0]["finish_reason"] == "length"


def _output_tokens(server: LiveServer, prompt: list[int]) -> list[int]:
    """Of the greedy output, by the names that scores give them."""
    tokenizer = server.llm.prompting.tokenizer
    assert tokenizer is not None
    named: dict[str, int] = {}
    for token in range(server.llm.serving.spec.vocab_size):
        piece = tokenizer.piece(token)
        try:
            named.setdefault(piece.decode(), token)
        except UnicodeDecodeError:
            named.setdefault("bytes:" + "".join(f"\\x{byte:02x}" for byte in piece), token)
    asked = {"ignore_eos": True, "temperature": 0.0, "logprobs": 0}
    return [named[name] for name in ask(server, prompt=prompt, **asked)["choices"][0]["logprobs"]["tokens"]]


def test_streams_begin_with_the_prompt(server: LiveServer) -> None:
    for change in ({}, {"logprobs": 1}, {"logprobs": 1, "max_tokens": 0}, {"max_tokens": 0}):
        (whole,) = ask(server, echo=True, **change)["choices"]
        pieces = streamed(server, echo=True, **change)
        assert "".join(piece["text"] for piece in pieces) == whole["text"]
        assert pieces[0]["text"].startswith(PROMPT)
        for key, values in (whole["logprobs"] or {}).items():
            parts = [piece["logprobs"][key] for piece in pieces]
            assert [value for part in parts for value in part] == values


def test_prompt_logprobs_are_as_vllm_tells_them(server: LiveServer) -> None:
    (choice,) = ask(server, prompt_logprobs=2)["choices"]
    prompt = server.llm.prompting.encode(PROMPT)
    first, *rest = choice["prompt_logprobs"]
    assert (first, len(rest)) == (None, len(prompt) - 1)
    for token, told in zip(prompt[1:], rest, strict=True):
        assert next(iter(told)) == str(token)
        assert {entry["rank"] for entry in told.values()} - {None} == {1, 2}
        assert set(told[str(token)]) == {"logprob", "rank", "decoded_token"}
    assert choice["logprobs"] is None
    echoed = ask(server, echo=True, logprobs=1, prompt_logprobs=2)["choices"][0]
    assert echoed["prompt_logprobs"] == choice["prompt_logprobs"]
    assert all(len(each) <= 2 for each in echoed["logprobs"]["top_logprobs"][1:])


def test_a_chat_tells_them_beside_its_choices(server: LiveServer) -> None:
    body = {"model": NAME, "messages": [{"role": "user", "content": "tea?"}], "max_tokens": 2, "seed": 1}
    answer = server.ask("/v1/chat/completions", {**body, "prompt_logprobs": 1, "n": 2}).json
    assert len(answer["prompt_logprobs"]) == answer["usage"]["prompt_tokens"]
    assert "prompt_logprobs" not in server.ask("/v1/chat/completions", body).json


def test_what_is_cached_does_not_change_what_is_told(server: LiveServer) -> None:
    prompt = PROMPT * 3
    cold = ask(server, prompt=prompt, prompt_logprobs=1)
    assert ask(server, prompt=prompt)["choices"][0]["text"] == cold["choices"][0]["text"]
    assert ask(server, prompt=prompt, prompt_logprobs=1)["choices"] == cold["choices"]


def test_the_best_are_those_with_the_highest_mean_logprob(server: LiveServer) -> None:
    prompts = [PROMPT, "tea"]
    drawn = ask(server, prompt=prompts, n=5, logprobs=0, stop_token_ids=[7, 8, 9, 10])
    best = ask(server, prompt=prompts, n=2, best_of=5, stop_token_ids=[7, 8, 9, 10])
    assert best["usage"] == drawn["usage"]
    assert [choice["index"] for choice in best["choices"]] == [0, 1, 2, 3]
    assert {choice["logprobs"] for choice in best["choices"]} == {None}
    for index in range(2):
        ranked = sorted(drawn["choices"][5 * index : 5 * index + 5], key=_mean, reverse=True)
        told = [choice["text"] for choice in best["choices"][2 * index : 2 * index + 2]]
        assert told == [choice["text"] for choice in ranked[:2]]


def _mean(choice: dict[str, Any]) -> float:
    logprobs = choice["logprobs"]["token_logprobs"]
    return float(sum(logprobs) / len(logprobs))


def test_the_sdk_takes_all_of_it(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=NAME, prompt=PROMPT, echo=True, logprobs=1, max_tokens=3, best_of=3, n=2, seed=1
    )
    assert [choice.text.startswith(PROMPT) for choice in answer.choices] == [True, True]
    assert len(getattr(answer.choices[1].logprobs, "tokens", [])) > 3


@pytest.mark.parametrize(
    ("change", "param", "says"),
    [
        ({"best_of": 1, "n": 2}, "best_of", "best_of is 1; it must be at least n, which is 2"),
        ({"best_of": 2, "stream": True}, "best_of", "leave stream or best_of out"),
        ({"best_of": 1000}, "best_of", "less than or equal to 128"),
        ({"prompt": ["tea"] * 100, "best_of": 100}, "n", "make more than 1024 choices"),
        ({"prompt_logprobs": 1, "stream": True}, "prompt_logprobs", "has no place in a stream"),
        ({"prompt_logprobs": 21}, "prompt_logprobs", "less than or equal to 20"),
        ({"echo": True, "logprobs": 1, "n": 2, "stream": True}, "n", "one choice per prompt"),
        ({"echo": 1}, "echo", "echo is 1; it must be a valid boolean"),
        ({"max_tokens": 0, "n": 2}, "max_tokens", "max_tokens is 0; it must be at least 1"),
        ({"max_tokens": -1}, "max_tokens", "greater than or equal to 0"),
    ],
)
def test_what_does_not_go_together_is_named(
    server: LiveServer, change: dict[str, Any], param: str, says: str
) -> None:
    status, blamed, message = refusal(server, **change)
    assert (status, blamed) == (400, param)
    assert says in message


def test_a_prompt_without_output_may_fill_the_context(server: LiveServer) -> None:
    answer = ask(server, prompt=[3] * 2048, max_tokens=0)
    assert answer["usage"] == {"prompt_tokens": 2048, "completion_tokens": 0, "total_tokens": 2048}
    status, _, message = refusal(server, prompt=[3] * 2049, max_tokens=0)
    assert (status, "it must stay within 2048" in message) == (400, True)
