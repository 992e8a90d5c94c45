"""A batch asks no more at once than it may, and stops where nobody answers."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.live_server import NAME, OPTIONS
from weft import AsyncLLM
from weft.contracts.errors import ConfigurationError
from weft.server.batch.lines import BatchRequest
from weft.server.batch.run import BatchRun
from weft.server.state import ServerSettings, ServerState


class Batch:
    """So many requests; counts how far reading is ahead of writing."""

    def __init__(self, num_lines: int) -> None:
        self._num_lines = num_lines
        self.written: list[bytes] = []
        self.told: list[str] = []
        self.most_ahead = self.num_steps = 0

    def lines(self) -> Iterator[BatchRequest]:
        body = json.dumps({"model": NAME, "prompt": "tea", "max_tokens": 3}).encode()
        for number in range(self._num_lines):
            self.most_ahead = max(self.most_ahead, number + 1 - len(self.written))
            yield BatchRequest(number + 1, f"line-{number}", "/v1/completions", body)

    async def run(self, model: Path, most_at_once: int, *, drained: bool = False) -> BatchRun:
        async with AsyncLLM(model, bounded=False, **OPTIONS) as llm:
            state = ServerState(ServerSettings((NAME,)))
            state.model_is_ready(llm)
            if drained:
                state.drain()
            run = BatchRun(state, set(), self.written.append, self._tell, self._step)
            await run.run(self.lines(), most_at_once)
            return run

    def _tell(self, line: int, problem: str) -> None:
        self.told.append(f"{line}: {problem}")

    def _step(self) -> None:
        self.num_steps += 1


def test_what_is_under_way_is_bounded(model: Path) -> None:
    batch = Batch(40)
    run = asyncio.run(batch.run(model, 6))
    assert run.counts == (40, 0, 0)
    assert (len(batch.written), batch.num_steps, batch.told) == (40, 40, [])
    assert batch.most_ahead == 6


def test_where_nobody_answers_the_run_ends_and_nothing_is_written(model: Path) -> None:
    batch = Batch(40)
    with pytest.raises(ConfigurationError, match="the engine has stopped; what is written stays"):
        asyncio.run(batch.run(model, 6, drained=True))
    assert batch.written == []
