"""The event loop's lateness: watched in all three situations, and seen where something blocks."""

import asyncio
import time

import pytest

from tests.executor.tiny_serving import tiny_serving
from weft.measurement import loop_delay
from weft.measurement.loop_delay import Ticker, measure_loop_delays


def test_a_blocked_loop_is_seen() -> None:
    async def main() -> float:
        ticker = Ticker()
        await asyncio.sleep(0.01)
        time.sleep(0.05)  # noqa: ASYNC251  the very thing that is to be seen
        await asyncio.sleep(0.01)
        ticker.stop()
        return ticker.take().most_ms

    assert asyncio.run(main()) > 40.0


def test_all_situations_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_delay, "IDLE_S", 0.02)
    serving = tiny_serving(num_threads=1)
    try:
        delays = asyncio.run(measure_loop_delays(serving, 3, 5, 60, 20))
    finally:
        serving.close()
    for each in (delays.idle, delays.decoding, delays.prefill):
        assert each.num_ticks > 0
        assert each.median_ms <= each.p99_ms <= each.most_ms
