"""Chunks that are taken past whoever waits for them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.llm.tiny_model import make_model
from weft import AsyncLLM, CompletionChunk, SamplingParams

GREEDY = SamplingParams(max_tokens=30, temperature=0.0, ignore_eos=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


class Basket:
    """Takes chunks while it has room."""

    def __init__(self, told: list[CompletionChunk], room: int = 1000) -> None:
        self.told, self.room, self.num_taken = told, room, 0

    @property
    def is_ready(self) -> bool:
        return self.num_taken < self.room

    def take(self, chunk: CompletionChunk) -> None:
        self.num_taken += 1
        self.told.append(chunk)


def play(scene: Callable[[AsyncLLM], Awaitable[None]], model: Path) -> None:
    async def main() -> None:
        async with AsyncLLM(model, backend="reference", num_threads=1) as llm:
            await scene(llm)

    asyncio.run(main())


@pytest.mark.parametrize(("room", "fewest"), [(1000, 20), (5, 5), (0, 0)])
def test_taken_or_not_the_chunks_are_the_same_and_in_order(model: Path, room: int, fewest: int) -> None:
    async def scene(llm: AsyncLLM) -> None:
        (whole,) = (await llm.generate("the quick brown", GREEDY)).outputs
        told = list[CompletionChunk]()
        basket, yielded = Basket(told, room), list[CompletionChunk]()
        async for chunk in llm.stream("the quick brown", GREEDY, taker=basket):
            yielded.append(chunk)
            told.append(chunk)
        assert fewest <= basket.num_taken <= room
        assert tuple(token for chunk in told for token in chunk.token_ids) == whole.token_ids
        assert "".join(chunk.text for chunk in told) == whole.text
        assert told[0] is yielded[0]
        assert told[-1] is yielded[-1]
        assert told[-1].finish_reason == "length"

    play(scene, model)


def test_outputs_of_one_prompt_stay_apart(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        sampling = SamplingParams(max_tokens=20, n=3, seed=1, ignore_eos=True)
        wholes = (await llm.generate("the quick", sampling)).outputs
        told = list[CompletionChunk]()
        async for chunk in llm.stream("the quick", sampling, taker=Basket(told)):
            told.append(chunk)
        for whole in wholes:
            assert "".join(chunk.text for chunk in told if chunk.index == whole.index) == whole.text

    play(scene, model)


def test_where_a_stop_string_may_end_it_nothing_is_taken(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        basket = Basket([])
        sampling = SamplingParams(max_tokens=20, stop=("\x00",), ignore_eos=True)
        assert [chunk async for chunk in llm.stream("the quick", sampling, taker=basket)]
        assert basket.num_taken == 0

    play(scene, model)


def test_what_a_taker_raises_ends_its_stream_and_nothing_else(model: Path) -> None:
    class Broken(Basket):
        def take(self, chunk: CompletionChunk) -> None:
            raise ValueError("broken")

    async def scene(llm: AsyncLLM) -> None:
        async def bystand() -> int:
            return len((await llm.generate("the quick", GREEDY)).outputs[0].token_ids)

        beside = asyncio.ensure_future(bystand())
        with pytest.raises(ValueError, match="broken"):
            async for _ in llm.stream("the quick brown", GREEDY, taker=Broken([])):
                pass
        assert await beside == 30
        assert llm.engine is not None
        assert llm.engine.live_requests() == []
        assert llm.defect is None

    play(scene, model)
