"""A client that reads its output ends it where it finds a stop string."""

import asyncio

import pytest

from tests.engine.driven_engine import DrivenEngine, play
from tests.engine.small_engine import ask
from weft.contracts.errors import InvalidRequest
from weft.contracts.events import RequestEnded, Status
from weft.engine.client import stream
from weft.engine.replica import Output


def test_a_client_may_end_an_output_whose_request_goes_on() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        request = ask("a", 5, 9, n=2, temperature=1.0)
        texts = [driven.text(request, sample) for sample in range(2)]
        told: list[tuple[int, ...]] = [(), ()]
        async for news in stream(driven.driver, request):
            if isinstance(news, RequestEnded):
                assert (news.status, news.output_tokens) == (Status.FINISHED, 2 + 9)
                continue
            told[news.sample_index] += news.tokens
            if news.sample_index == 0 and news.status is None and len(told[0]) == 3:
                assert driven.driver.stop_output("a", 0, 2)
                assert not driven.driver.stop_output("a", 0, 2)
        assert told == [texts[0][:3], texts[1]]

    play(scenario)


def test_the_last_output_that_a_client_ends_ends_the_request_at_once() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        news = driven.driver.submit(ask("a", 5, 9), stream=True)
        await asyncio.sleep(4.5)
        assert driven.driver.stop_output("a", 0, 2)
        told = [news.get_nowait() for _ in range(news.qsize())]
        assert told[-2:] == [
            Output("a", 0, (), Status.FINISHED, "stop"),
            RequestEnded(4.5, "a", Status.FINISHED, "stop", 2),
        ]

    play(scenario)


def test_a_client_that_ends_an_output_too_early_is_told_and_does_no_harm() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        news = driven.driver.submit(ask("a", 5, 9))
        with pytest.raises(InvalidRequest, match="cannot end with token 1; it has 0"):
            driven.driver.stop_output("a", 0, 1)
        text = driven.text(ask("a", 5, 9))
        assert await news.get() == Output("a", 0, text, Status.FINISHED, "length")

    play(scenario)
