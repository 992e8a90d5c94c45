"""A stream at the pace of who reads it: what is made faster is held here (the token buffer of Liu et al., Andes, arXiv
2404.16283, which there is the client's).

A reader who takes no more than so many tokens per second loses nothing by it, and the engine is done with the request
as early as without: the next one may have its rows while the text is still being told.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from weft.llm.results import CompletionChunk

News = AsyncGenerator[CompletionChunk, None]


async def paced(news: News, tokens_per_s: float) -> News:
    """The same chunks in the same order. One waits until the tokens before it in its output were read, from the first
    one on. Leaving early closes `news`; what it raises comes after the chunks before it."""
    held: asyncio.Queue[CompletionChunk | Exception | None] = asyncio.Queue()
    loop, due_s = asyncio.get_running_loop(), dict[int, float]()
    taking = asyncio.ensure_future(_take(news, held))
    try:
        while (chunk := await held.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            wait_s = due_s.get(chunk.index, 0.0) - loop.time()
            if wait_s > 0.0:
                await asyncio.sleep(wait_s)
            yield chunk
            begun_s = max(due_s.get(chunk.index, 0.0), loop.time())
            due_s[chunk.index] = begun_s + len(chunk.token_ids) / tokens_per_s
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


async def _take(news: News, held: "asyncio.Queue[CompletionChunk | Exception | None]") -> None:
    """As fast as they come: chunks that wait in the engine would be joined, and told in lumps."""
    try:
        async with aclosing(news):
            async for chunk in news:
                held.put_nowait(chunk)
        held.put_nowait(None)
    except Exception as error:
        held.put_nowait(error)
