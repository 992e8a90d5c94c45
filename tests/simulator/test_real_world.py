"""Who reaches out of virtual time is told so."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.simulator.simulated_service import Listed, deployment
from weft.contracts.errors import PolicyError
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView
from weft.simulator.real_world import no_real_world
from weft.simulator.service import simulate_service
from weft.simulator.virtual_time import SimulationForbidden, run


def start_thread() -> None:
    threading.Thread(target=print).start()


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (lambda: time.time(), r"test_real_world calls time.time\(\)"),
        (lambda: time.monotonic(), r"time.monotonic\(\), the real clock"),
        (lambda: time.sleep(0.0), r"time.sleep\(\)"),
        (start_thread, "a thread is started"),
        (socket.socket, "a socket is started"),
    ],
)
def test_what_reaches_out_is_named(act: Callable[[], object], named: str) -> None:
    async def play() -> None:
        with pytest.raises(SimulationForbidden, match=named):
            act()

    with no_real_world():
        run(play())


def test_a_thread_of_asyncio_is_refused_too() -> None:
    async def play() -> None:
        with pytest.raises(SimulationForbidden, match="run_in_executor"):
            await asyncio.to_thread(print)

    with no_real_world():
        run(play())


def test_code_beside_a_simulation_and_logging_in_it_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        logging.getLogger("test").warning("still works")

    with no_real_world():
        assert time.monotonic() > 0.0
        run(play())
    assert caplog.messages == ["still works"]
    time.sleep(0.0)


class Watching(OrderPolicy):
    """Ranks by the real time, which a replay would not find again."""

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (time.time(),)


def test_a_policy_that_reads_the_clock_is_named_by_the_run() -> None:
    planned = deployment()
    watching = replace(planned, config=replace(planned.config, order=Watching))
    with pytest.raises(PolicyError, match=r"'Watching'.*time\.time\(\), the real clock"):
        simulate_service(watching, Listed([(0.0, 10, 2)]), lambda _: None)
