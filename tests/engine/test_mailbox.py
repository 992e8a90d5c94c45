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


def test_only_who_waits_is_passed_by_and_order_is_kept() -> None:
    async def scenario() -> None:
        box, taken = Mailbox[int](), list[int]()

        def offer(item: int) -> bool:
            taken.append(item)
            return item % 2 == 0

        box.offer = offer
        box.put_nowait(2)  # nobody waits for it yet
        assert await box.get() == 2
        waiting = asyncio.ensure_future(box.get())
        await asyncio.sleep(0)
        for item in (4, 6, 7, 8):
            box.put_nowait(item)
        assert taken == [4, 6, 7]
        assert [await waiting, await box.get()] == [7, 8]

    asyncio.run(scenario())


def test_a_reader_is_told_what_its_offer_raised() -> None:
    async def scenario() -> None:
        box = Mailbox[int]()

        def offer(item: int) -> bool:
            raise ValueError(f"not {item}")

        box.offer = offer
        waiting = asyncio.ensure_future(box.get())
        await asyncio.sleep(0)
        box.put_nowait(1)
        with pytest.raises(ValueError, match="not 1"):
            await waiting

    asyncio.run(scenario())
