"""Memory stays flat however many requests come and go on a real model."""

import asyncio
import gc
from pathlib import Path

import pytest

from tests.executor.tiny_serving import ask, request, tiny_serving
from weft.engine.driver import EngineDriver

PAGE_BYTES = 4096


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


@pytest.mark.nightly
def test_memory_is_flat_over_requests_and_cancellations() -> None:
    async def main() -> list[int]:
        serving = tiny_serving(max_num_seqs=8, swap_memory_bytes=1 << 16)
        driver = EngineDriver(serving.config, serving.executor)
        readings = []
        for turn in range(12):
            for number in range(20):
                prompts = [range(3, 10 + (turn + number + each) % 40) for each in range(8)]
                asked = [request(f"{turn}-{number}-{i}", prompt) for i, prompt in enumerate(prompts)]
                tasks = [asyncio.create_task(ask(driver, each)) for each in asked]
                await asyncio.sleep(0.01)
                for task in tasks[::3]:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            readings.append(_resident_bytes())
        driver.engine.check_integrity()
        serving.close()
        return readings

    readings = asyncio.run(main())
    # The first third fills caches and the bounded event log.
    assert readings[-1] - readings[len(readings) // 3] < 8 << 20, readings
