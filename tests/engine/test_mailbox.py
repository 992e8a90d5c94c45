"""What one reader is told, in order."""

import asyncio

import pytest

from weft.engine.mailbox import Mailbox


def test_a_reader_gets_what_is_there_and_waits_for_what_is_not() -> None:
    async def scenario() -> None:
        box = Mailbox[int]()
        box.put_nowait(1)
        box.put_nowait(2)
        assert box.qsize() == 2
        assert [await box.get(), box.get_nowait()] == [1, 2]
        waiting = asyncio.ensure_future(box.get())
        await asyncio.sleep(0)
        box.put_nowait(3)
        box.put_nowait(4)  # before the reader has had its turn
        assert [await waiting, await box.get()] == [3, 4]
        with pytest.raises(IndexError):
            box.get_nowait()

    asyncio.run(scenario())


def test_a_reader_that_gives_up_loses_nothing() -> None:
    async def scenario() -> None:
        box = Mailbox[int]()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(box.get(), 0.001)
        box.put_nowait(1)
        assert await box.get() == 1

    asyncio.run(scenario())
