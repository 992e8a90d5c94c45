"""A stream at the pace of its reader, in virtual time and over HTTP."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from tests.server.live_server import NAME, LiveServer
from weft.llm.results import CompletionChunk
from weft.server.protocol.pacing import paced
from weft.simulator.virtual_time import run

Told = list[tuple[float, CompletionChunk]]


async def made(*chunks: tuple[float, int, int], fails: bool = False) -> AsyncGenerator[CompletionChunk, None]:
    """(seconds until it comes, output, tokens)."""
    for delay_s, index, tokens in chunks:
        await asyncio.sleep(delay_s)
        yield CompletionChunk(index, "x" * tokens, (7,) * tokens)
    if fails:
        raise ValueError("broken")


def contents(body: bytes) -> list[str]:
    """Of a stream's first choice."""
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line.startswith(b"data: {")]
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    return [text for each in choices if (text := each.get("text") or each.get("delta", {}).get("content"))]


def told(news: AsyncGenerator[CompletionChunk, None], tokens_per_s: float = 2.0) -> Told:
    async def listen() -> Told:
        loop = asyncio.get_running_loop()
        return [(loop.time(), chunk) async for chunk in paced(news, tokens_per_s)]

    return run(listen())


def test_what_comes_at_once_is_told_one_after_the_other() -> None:
    found = told(made(*[(0.0, 0, 1)] * 5))
    assert [time_s for time_s, _ in found] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
    assert "".join(chunk.text for _, chunk in found) == "xxxxx"


def test_a_chunk_of_several_tokens_takes_as_long_to_read() -> None:
    assert [time_s for time_s, _ in told(made((0.0, 0, 3), (0.0, 0, 1)))] == pytest.approx([0.0, 1.5])


def test_what_comes_slower_is_told_as_it_comes_and_a_pause_is_not_made_up_for() -> None:
    found = told(made((1.0, 0, 1), (5.0, 0, 1), (0.1, 0, 1)))
    assert [time_s for time_s, _ in found] == pytest.approx([1.0, 6.0, 6.5])


def test_what_was_held_bridges_a_pause() -> None:
    """Four tokens at once, none for 2 s: the reader sees no pause."""
    found = told(made(*[(0.0, 0, 1)] * 4, (2.0, 0, 1)))
    assert [time_s for time_s, _ in found] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


def test_outputs_are_read_side_by_side() -> None:
    found = told(made(*[(0.0, index, 1) for _ in range(3) for index in (0, 1)]))
    assert [time_s for time_s, _ in found] == pytest.approx([0.0, 0.0, 0.5, 0.5, 1.0, 1.0])


def test_what_was_made_before_a_failure_is_told_before_it() -> None:
    heard: list[float] = []

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        async for _ in paced(made((0.0, 0, 1), (0.0, 0, 1), fails=True), 2.0):
            heard.append(loop.time())

    with pytest.raises(ValueError, match="broken"):
        run(listen())
    assert heard == pytest.approx([0.0, 0.5])


def test_leaving_early_closes_what_makes_it() -> None:
    closed: list[float] = []

    async def endless() -> AsyncGenerator[CompletionChunk, None]:
        try:
            while True:
                yield CompletionChunk(0, "x", (7,))
                await asyncio.sleep(1.0)
        finally:
            closed.append(asyncio.get_running_loop().time())

    async def leave() -> None:
        news = paced(endless(), 2.0)
        await anext(news)
        await asyncio.sleep(2.5)
        await news.aclose()

    run(leave())
    assert closed == [2.5]


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_a_paced_stream_tells_the_same_and_takes_its_time(server: LiveServer, path: str) -> None:
    said = {"messages": [{"role": "user", "content": "tea?"}]} if "chat" in path else {"prompt": [7] * 8}
    body = {"model": NAME, "max_tokens": 4, "ignore_eos": True, "seed": 1, "stream": True, **said}
    plain = server.ask(path, body)
    slow = server.ask(path, body, headers={"x-weft-pace-tokens-per-s": "500"})
    assert (plain.status, slow.status) == (200, 200)
    assert "".join(contents(slow.body)) == "".join(contents(plain.body)) != ""
    refused = server.ask(path, {**body, "stream": False}, headers={"x-weft-pace-tokens-per-s": "500"})
    assert (refused.status, refused.error["param"]) == (400, "x-weft-pace-tokens-per-s")
