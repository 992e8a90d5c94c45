"""A replica goes bad under load: how long clients wait, and when it is found out, with health checks and without."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from itertools import count
from typing import NamedTuple

from weft.cluster.cluster import Cluster
from weft.cluster.member import Phase
from weft.cluster.processes import Processes
from weft.cluster.router_driver import RouterDriver
from weft.cluster.timing import Timing
from weft.contracts.events import RequestEnded
from weft.engine.client import Asked, stream
from weft.measurement.cluster_bench import bench_request, check_end
from weft.measurement.cluster_contenders import PROMPT_TOKENS
from weft.measurement.faulty_replica import GO_ON, WEDGE
from weft.observation.event_log import EventLog
from weft.policies.least_outstanding import LeastOutstanding

COMMAND = (sys.executable, "-m", "weft.measurement.faulty_replica")
NAMES = ("replica-0", "replica-1")
VICTIM = NAMES[0]
NUM_CLIENTS, TOKENS, STEP_S = 8, 100, 0.01

KILLED, STOPPED, WEDGED = "killed", "stopped", "wedged"
FAULTS = {KILLED: (signal.SIGKILL, None), STOPPED: (signal.SIGSTOP, signal.SIGCONT), WEDGED: (WEDGE, GO_ON)}
"""What is sent to a replica to make it go bad, and, where that can be, what makes it well again."""

NEVER_S = 86_400.0
AFTER_S = 0.3
"""How long clients are watched after the outage."""

POLL_S = 0.01


class Outage(NamedTuple):
    """One of two replicas goes bad after `calm_s` under load; who does nothing has it back after `outage_s`."""

    fault: str
    calm_s: float
    outage_s: float
    timing: Timing


class OutageFigures(NamedTuple):
    """`pause_s`: the longest that a client waited for its next token. `detected_s`: from the fault to the word that the
    replica is lost; `restored_s`: until both are up; None without health checks. `false_alarms`: of replicas that
    were lost while nothing was wrong with them, which and why. `num_tokens`: that clients got while all was well."""

    pause_s: float
    detected_s: float | None
    restored_s: float | None
    false_alarms: tuple[str, ...]
    num_tokens: int


async def measure_outage(outage: Outage, *, is_checked: bool) -> OutageFigures:
    """With health checks or without any. Raises `WeftError` where a client does not get what it asked for."""
    async with _cluster(outage.timing, is_checked=is_checked) as (cluster, processes):
        clients = _Clients(RouterDriver(cluster.router, EventLog()))
        await clients.work(outage.calm_s)
        num_tokens, begun_s = clients.num_tokens, asyncio.get_running_loop().time()
        restored = asyncio.create_task(_restored(cluster, len(cluster.losses)))
        await _suffer(outage, clients, cluster, processes, is_checked=is_checked)
        await clients.work(AFTER_S)
        restored_s = await restored - begun_s if is_checked else None
        restored.cancel()
        await clients.close()
        detected_s, false_alarms = _judged(list(cluster.losses), begun_s)
        pause_s = clients.longest_s(begun_s)
        return OutageFigures(pause_s, detected_s, restored_s, false_alarms, num_tokens)


def _judged(losses: Sequence[tuple[float, str, str]], begun_s: float) -> tuple[float | None, tuple[str, ...]]:
    """After how long the replica that went bad was lost, and why others were, or itself at other times."""
    found = next((loss for loss in losses if loss[0] >= begun_s and loss[1] == VICTIM), None)
    false = tuple(f"{name}: {reason}" for time_s, name, reason in losses if (time_s, name, reason) != found)
    return None if found is None else found[0] - begun_s, false


@asynccontextmanager
async def _cluster(timing: Timing, *, is_checked: bool) -> AsyncIterator[tuple[Cluster, Processes]]:
    if not is_checked:
        timing = replace(timing, lost_after_s=NEVER_S, stalled_after_s=NEVER_S)
    room = {"streams": NUM_CLIENTS, "longest_tokens": PROMPT_TOKENS + TOKENS}
    processes = Processes(COMMAND, {**room, "step_s": STEP_S, "timing": asdict(timing)})
    cluster = Cluster(NAMES, processes.nodes(), LeastOutstanding(), processes, processes, timing)
    processes.receive = cluster.receive
    if is_checked:
        processes.went_away = cluster.went_away
    try:
        await cluster.up()
        yield cluster, processes
    finally:
        cluster.close()
        await processes.close()


async def _suffer(
    outage: Outage, clients: "_Clients", cluster: Cluster, processes: Processes, *, is_checked: bool
) -> None:
    """The outage, from its beginning to its end."""
    harm, cure = FAULTS[outage.fault]
    process_id = processes.process_id(VICTIM)
    assert process_id is not None
    os.kill(process_id, harm)
    await clients.work(outage.outage_s)
    if is_checked:
        return  # the replica has long been replaced
    if cure is not None:
        os.kill(process_id, cure)
    else:
        incarnation = cluster.router.membership.members[VICTIM].incarnation
        cluster.went_away(VICTIM, incarnation, "somebody has looked after it")


async def _restored(cluster: Cluster, num_losses: int) -> float:
    """When all are up again, once there is a loss more."""
    while True:
        await asyncio.sleep(POLL_S)
        if len(cluster.losses) > num_losses and all(state.phase is Phase.UP for state in cluster.view()):
            return asyncio.get_running_loop().time()


class _Clients:
    """Each asks for one output after the other. `num_tokens`: that they got."""

    def __init__(self, driver: Asked) -> None:
        self._driver, self._loop = driver, asyncio.get_running_loop()
        self._numbers = count()
        self._waits: list[tuple[float, float]] = []
        self.num_tokens = 0
        self._tasks = [asyncio.create_task(self._ask_on()) for _ in range(NUM_CLIENTS)]

    async def _ask_on(self) -> None:
        before_s = self._loop.time()
        while True:
            async for news in stream(self._driver, bench_request(next(self._numbers), TOKENS)):
                if isinstance(news, RequestEnded):
                    check_end(news, TOKENS)
                    continue
                now_s = self._loop.time()
                self._waits.append((now_s, now_s - before_s))
                self.num_tokens += len(news.tokens)
                before_s = now_s

    async def work(self, seconds: float) -> None:
        """Let so much time pass. Raises what a client met."""
        ended, _ = await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()

    async def close(self) -> None:
        """End them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def longest_s(self, since_s: float) -> float:
        """The longest wait for a token that ended after this moment."""
        return max(waited_s for ended_s, waited_s in self._waits if ended_s >= since_s)
