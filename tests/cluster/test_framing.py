"""Frames over a stream of bytes."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.cluster.framing import UNSENT, FrameStream
from weft.cluster.wire import MOST_FRAME_BYTES, BadFrame


class End:
    """One end, with what it heard."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.problems: list[BaseException | None] = []
        self.has_ended = asyncio.Event()
        self.stream = FrameStream(self.heard.append, self._end)

    def _end(self, problem: BaseException | None) -> None:
        self.problems.append(problem)
        self.has_ended.set()

    async def connect(self, connected: socket.socket) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self.stream, sock=connected)


async def two() -> tuple[End, End]:
    ends = End(), End()
    for end, connected in zip(ends, socket.socketpair(), strict=True):
        await end.connect(connected)
    return ends


@given(st.lists(st.binary(max_size=40)), st.data())
def test_frames_come_whole_however_the_stream_is_cut(frames: list[bytes], data: st.DataObject) -> None:
    async def main() -> list[bytes]:
        end = End()
        left = b"".join(len(each).to_bytes(4) + each for each in frames)
        while left:
            count = data.draw(st.integers(1, len(left)))
            end.stream.data_received(left[:count])
            left = left[count:]
        return end.heard

    assert asyncio.run(main()) == frames


def test_what_was_sent_before_the_end_arrives() -> None:
    async def main() -> None:
        one, other = await two()
        frames = [b"", b"x" * 3_000_000, b"last"]
        for frame in frames:
            one.stream.send(frame)
        one.stream.close()
        one.stream.send(b"too late")
        await other.has_ended.wait()
        assert other.heard == frames
        assert other.problems == [None]

    asyncio.run(main())


def test_a_frame_that_is_too_long_ends_the_stream_before_it_is_taken_in() -> None:
    async def main() -> None:
        one, other = await two()
        other.stream.data_received((MOST_FRAME_BYTES + 1).to_bytes(4))
        await one.has_ended.wait()
        await other.has_ended.wait()
        assert isinstance(other.problems[0], BadFrame)

    asyncio.run(main())


def test_what_a_side_does_not_read_is_dropped_beyond_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.cluster.framing.MOST_UNSENT_BYTES", 2_000_000)

    async def main() -> None:
        ours, theirs = socket.socketpair()
        one = End()
        await one.connect(ours)
        before = UNSENT.hits
        for _ in range(100):
            one.stream.send(b"x" * 100_000)
            await asyncio.sleep(0)
        assert 60 < UNSENT.hits - before < 100
        other = End()
        await other.connect(theirs)
        one.stream.close()
        await other.has_ended.wait()
        assert other.heard == [b"x" * 100_000] * (100 - (UNSENT.hits - before))

    asyncio.run(main())
