"""What clients see when a replica is killed or stopped: the pause in their streams."""

import asyncio
import os
import signal
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from weft.contracts.events import RequestEnded
from weft.contracts.requests import Request
from weft.engine.client import stream
from weft.measurement.cluster_bench import bench_request, check_end
from weft.measurement.cluster_contenders import Contender, Setting, contender

TOLD_BEFORE = 10
"""Tokens of each stream before the replica is hit."""


class Stall(NamedTuple):
    """Of the streams that one replica had when it was hit: how many, and their longest pauses after it."""

    num_streams: int
    median_ms: float
    most_ms: float


class _Streams:
    """Many requests at once. `times_s`: when each told its tokens."""

    def __init__(self, contender: Contender, setting: Setting) -> None:
        self._contender, self._tokens = contender, setting.tokens
        self._all_told = asyncio.Event()
        requests = [bench_request(number, setting.tokens) for number in range(setting.streams)]
        self.times_s: dict[str, list[float]] = {request.request_id: [] for request in requests}
        self.tasks = [asyncio.create_task(self._read(request)) for request in requests]

    async def _read(self, request: Request) -> None:
        loop, times_s = asyncio.get_running_loop(), self.times_s[request.request_id]
        async for news in stream(self._contender.driver, request):
            if isinstance(news, RequestEnded):
                check_end(news, self._tokens)
            elif news.tokens:
                times_s.append(loop.time())
                if len(times_s) == TOLD_BEFORE:
                    self._note_told()

    def _note_told(self) -> None:
        if all(len(each) >= TOLD_BEFORE for each in self.times_s.values()):
            self._all_told.set()

    async def told(self) -> None:
        await self._all_told.wait()


async def measure_stall(way: str, setting: Setting, number: signal.Signals) -> Stall:
    """Send a signal to the first of several replicas. Raises `WeftError` where a client gets less than it asked for."""
    async with contender(way, setting) as found:
        assert found.cluster is not None
        streams = _Streams(found, setting)
        await streams.told()
        name, process_id = next(iter(found.process_ids.items()))
        hit = list(found.cluster.router.membership.members[name].requests)
        hit_s = asyncio.get_running_loop().time()
        os.kill(process_id, number)
        await asyncio.gather(*streams.tasks)
        pauses_ms = [1e3 * _pause_s(streams.times_s[each], hit_s) for each in hit]
        return Stall(len(hit), median(pauses_ms), max(pauses_ms))


def _pause_s(times_s: list[float], hit_s: float) -> float:
    """The longest that ended after this moment."""
    return max(later - earlier for earlier, later in pairwise(times_s) if later > hit_s)
