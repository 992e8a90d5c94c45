"""Asking for output, and going away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from tests.engine.driven_engine import DrivenEngine, play
from tests.engine.small_engine import ask
from weft.contracts.errors import InvalidRequest, RequestRejected
from weft.contracts.events import RequestEnded, Status
from weft.contracts.steps import TokenLogprobs
from weft.engine.client import Completion, generate, stream
from weft.engine.replica import Output
from weft.simulator.fake_reference import reference_logprobs

News = Output | RequestEnded


def closing(news: AsyncIterator[News]) -> aclosing[AsyncGenerator[News, None]]:
    """Close a stream at the end of a `with` block."""
    assert isinstance(news, AsyncGenerator)
    return aclosing(news)


def test_generate_gives_the_whole_output_and_how_it_ended() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        request = ask("a", 9, 6)
        text = driven.text(request)
        whole = Completion("a", Status.FINISHED, "length", (text,), ((),))
        assert await generate(driven.driver, request) == whole

    play(scenario)


def test_many_ask_at_once_and_each_gets_its_own() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        requests = [ask(f"r{i}", 3 + i, 5 + i % 3) for i in range(12)]
        completions = await asyncio.gather(*(generate(driven.driver, request) for request in requests))
        assert [each.request_id for each in completions] == [request.request_id for request in requests]
        assert [each.outputs for each in completions] == [(driven.text(request),) for request in requests]

    play(scenario)


def test_samples_come_in_their_order() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        request = ask("a", 9, 6, n=3, temperature=1.0)
        completion = await generate(driven.driver, request)
        assert completion.outputs == tuple(driven.text(request, sample) for sample in range(3))

    play(scenario)


def test_log_probabilities_come_beside_the_tokens_of_those_who_ask() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        request = ask("a", 9, 6, n=2, temperature=1.0, logprobs=2)
        texts = [driven.text(request, sample) for sample in range(2)]
        expected = tuple(reference_logprobs(driven.spec, request, text) for text in texts)
        assert (await generate(driven.driver, request)).logprobs == expected
        told: list[tuple[TokenLogprobs, ...]] = [(), ()]
        async for news in stream(driven.driver, request):
            if isinstance(news, Output):
                assert tuple(each.token for each in news.logprobs) == news.tokens
                told[news.sample_index] += news.logprobs
        assert tuple(told) == expected

    play(scenario)


def test_a_stream_gives_every_token_as_it_comes_and_then_the_end() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        request, loop = ask("a", 9, 4), asyncio.get_running_loop()
        news = [(loop.time(), item) async for item in stream(driven.driver, request)]
        text = driven.text(request)
        assert news[:-1] == [
            (1.0, Output("a", 0, text[:1])),
            (2.0, Output("a", 0, text[1:2])),
            (3.0, Output("a", 0, text[2:3])),
            (4.0, Output("a", 0, text[3:], Status.FINISHED, "length")),
        ]
        assert news[-1] == (4.0, RequestEnded(4.0, "a", Status.FINISHED, "length", 4))

    play(scenario)


def test_leaving_a_stream_early_cancels_the_request_and_the_others_go_on() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        other = asyncio.create_task(generate(driven.driver, ask("other", 5, 9)))
        async with closing(stream(driven.driver, ask("left", 5, 900, min_tokens=900))) as news:
            async for item in news:
                assert isinstance(item, Output)
                break
        await asyncio.sleep(0.5)
        assert driven.engine.live_requests() == ["other"]
        assert (await other).status is Status.FINISHED

    driven = play(scenario, num_blocks=300)
    ends = [event for event in driven.log.events() if isinstance(event, RequestEnded)]
    assert [(end.request_id, end.status) for end in ends] == [
        ("left", Status.CANCELLED),
        ("other", Status.FINISHED),
    ]


def test_closing_a_stream_cancels_the_request_at_once() -> None:
    """Not when the garbage collector finds what the stream was made of."""

    async def scenario(driven: DrivenEngine) -> None:
        news = stream(driven.driver, ask("a", 5, 9))
        async with closing(news):
            await anext(news)
        assert driven.engine.live_requests() == []

    play(scenario)


def test_cancelling_the_caller_cancels_the_request_at_once() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        task = asyncio.create_task(generate(driven.driver, ask("a", 5, 9)))
        await asyncio.sleep(2.5)
        assert driven.engine.live_requests() == ["a"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert driven.engine.live_requests() == []

    play(scenario)


def test_a_time_limit_on_the_caller_is_one_on_the_request() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.5):
                await generate(driven.driver, ask("a", 5, 9))
        assert driven.engine.live_requests() == []
        assert (await generate(driven.driver, ask("b", 5, 2))).status is Status.FINISHED

    play(scenario)


def test_a_refusal_at_the_door_is_raised_where_the_output_is_asked_for() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        reason = "need 13 blocks of state 'full', and there are 12"
        with pytest.raises(RequestRejected, match=reason):
            await generate(driven.driver, ask("large", 30, 20))
        with pytest.raises(RequestRejected, match=reason):
            await anext(stream(driven.driver, ask("large too", 30, 20)))

    play(scenario, num_blocks=12)


def test_an_id_that_is_in_use_is_refused_and_its_owner_hears_nothing_of_it() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        request = ask("a", 5, 5)
        first = asyncio.create_task(generate(driven.driver, request))
        await asyncio.sleep(1.5)
        with pytest.raises(InvalidRequest, match="'a' is in use"):
            await generate(driven.driver, ask("a", 6, 2))
        assert (await first).outputs == (driven.text(request),)

    play(scenario)


def test_a_request_that_was_too_large_may_come_back_smaller_under_its_id() -> None:
    """It must hear of its own end, not of the refusal before."""

    async def scenario(driven: DrivenEngine) -> None:
        with pytest.raises(RequestRejected):
            await generate(driven.driver, ask("a", 30, 20))
        request = ask("a", 8, 4)
        completion = await generate(driven.driver, request)
        assert (completion.status, completion.outputs) == (Status.FINISHED, (driven.text(request),))

    play(scenario, num_blocks=12)


def test_a_request_that_was_cancelled_may_be_made_again_at_once() -> None:
    """It must hear of its own end, not of that of its forerunner."""

    async def scenario(driven: DrivenEngine) -> None:
        request = ask("a", 8, 4)
        task = asyncio.create_task(generate(driven.driver, request))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        completion = await generate(driven.driver, request)
        assert (completion.status, completion.outputs) == (Status.FINISHED, (driven.text(request),))

    play(scenario)
