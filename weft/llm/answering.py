"""From a request to chunks of its outputs."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Request
from weft.engine.client import Asked, stream
from weft.llm.constraining import ConstraintCompiler
from weft.llm.output_reader import OutputReader, output_reader
from weft.llm.prompting import Prompting
from weft.llm.results import CompletionChunk, failure


async def answer(
    driver: Asked,
    prompting: Prompting,
    constraints: ConstraintCompiler,
    request: Request,
    *,
    is_streamed: bool,
) -> AsyncGenerator[CompletionChunk, None]:
    """News of each output as they come, or of each at its end. Leaving early cancels the request.

    Raises `InvalidRequest`, `RequestRejected`, `RequestFailed`.
    """
    readers: dict[int, OutputReader] = {}
    constraint = constraints.held(request)
    async with constraint, aclosing(stream(driver, request, whole=not is_streamed)) as all_news:
        async for news in all_news:
            if isinstance(news, RequestEnded):
                if news.status is not Status.FINISHED:
                    raise failure(request.request_id, news.status, news.reason)
                return
            index = news.sample_index
            if index not in readers:
                readers[index] = output_reader(prompting, request.sampling, index)
            yield readers[index].read(news)
            stopped_after = readers[index].stopped_after
            if stopped_after is not None and news.status is None:
                driver.stop_output(request.request_id, index, stopped_after)
