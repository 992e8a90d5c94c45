"""Memory does not grow with the number of requests served."""

import gc
import subprocess
import sys
import tracemalloc
from resource import RUSAGE_SELF, getrusage

import pytest

from weft.contracts.events import RequestEnded, Status
from weft.contracts.execution import ExecutorTraits
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import PagedGroup, StateLayout
from weft.contracts.steps import StepResult
from weft.engine.config import EngineConfig
from weft.engine.engine import Engine
from weft.observation.event_log import EventLog
from weft.observation.metrics import EngineMetrics

TOKENS = bytes([7]) * 64


class Served:
    """An engine that serves one short request after the other, 64 at a time."""

    def __init__(self) -> None:
        self.log = EventLog(1000)
        self.metrics = EngineMetrics(self.log)
        layout = StateLayout((PagedGroup("kv", 1),))
        self.engine = Engine(
            EngineConfig(layout, {"kv": 256}, max_running=64), ExecutorTraits(1, "none"), self.log
        )
        self.num_submitted = self.num_finished = 0
        self.log.subscribe(self._note, RequestEnded)

    def _note(self, event: RequestEnded) -> None:
        self.num_finished += event.status is Status.FINISHED

    def serve(self, num_requests: int) -> None:
        """Serve so many more."""
        goal = self.num_finished + num_requests
        while self.num_finished < goal:
            while self.num_submitted < self.num_finished + 64:
                self._submit()
            step = self.engine.schedule(0.0)
            assert step is not None
            self.engine.update(StepResult(step.number, TOKENS), 0.0)
            self.engine.take_outputs()

    def _submit(self) -> None:
        number = self.num_submitted
        prompt = TokenPrompt(tuple(range(number, number + 20)))
        self.engine.submit(Request(f"request-{number}", prompt, SamplingParams(max_tokens=4)), 0.0)
        self.num_submitted += 1


def bytes_grown(warm_up: int, num_requests: int) -> int:
    """Python memory in bytes that serving so many requests leaves behind, after a warm-up."""
    tracemalloc.start()
    try:
        served = Served()
        served.serve(warm_up)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        served.serve(num_requests)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    served.engine.check_integrity()
    return after - before


# What 64 live requests and 1,000 events differ by between two moments; a request held on to weighs more than 1 KB.
TOLERANCE_BYTES = 100_000


def test_memory_is_flat_over_some_thousand_requests() -> None:
    assert bytes_grown(warm_up=2_000, num_requests=3_000) < TOLERANCE_BYTES


def resident_bytes_grown(warm_up: int, num_requests: int) -> int:
    """By how much the most memory this process ever held grows while it serves so many requests."""
    served = Served()
    served.serve(warm_up)
    before = getrusage(RUSAGE_SELF).ru_maxrss
    served.serve(num_requests)
    return (getrusage(RUSAGE_SELF).ru_maxrss - before) * 1024


@pytest.mark.nightly
def test_memory_is_flat_over_a_million_requests() -> None:
    call = "from tests.properties.test_memory import resident_bytes_grown as grown; print(grown(50_000, 1_000_000))"
    grown = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 8_000_000  # eight bytes per request
