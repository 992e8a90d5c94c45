"""The ways to reach an engine that `weft bench cluster` compares: directly, and through a router and each backend."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import NamedTuple

from weft.cluster.cluster import Cluster
from weft.cluster.in_process import InProcess
from weft.cluster.processes import Processes
from weft.cluster.ray_backend import RayReplicas
from weft.cluster.ray_connection import RayConnection
from weft.cluster.router_driver import RouterDriver
from weft.cluster.timing import Timing
from weft.engine.client import Asked
from weft.engine.driver import EngineDriver
from weft.measurement.null_replica import make, null_config
from weft.observation.event_log import EventLog
from weft.policies.least_outstanding import LeastOutstanding
from weft.simulator.null_executor import NullExecutor

COMMAND = (sys.executable, "-m", "weft.measurement.null_replica")

ENGINE, IN_PROCESS, PROCESSES, RAY = "engine", "in process", "processes", "ray"
WAYS = (ENGINE, IN_PROCESS, PROCESSES, RAY)
"""An engine without a router; and a router before engines on its own loop, in processes, and in actors of Ray."""


class Contender(NamedTuple):
    """Something to ask. `cluster`, `backend`: None where there is no router. `process_ids`: of replicas elsewhere."""

    driver: Asked
    cluster: Cluster | None = None
    backend: InProcess | Processes | RayReplicas | None = None

    @property
    def process_ids(self) -> dict[str, int]:
        """Of the replicas that have a process of their own, by name."""
        if self.cluster is None or self.backend is None or isinstance(self.backend, InProcess):
            return {}
        found = {name: self.backend.process_id(name) for name in self.cluster.router.membership.members}
        return {name: number for name, number in found.items() if number is not None}


PROMPT_TOKENS = 128


class Setting(NamedTuple):
    """Replicas, each with room for so many streams of so many tokens after a prompt; steps take so long."""

    replicas: int
    streams: int
    tokens: int
    step_s: float

    @property
    def longest_tokens(self) -> int:
        """Of a stream with its prompt."""
        return PROMPT_TOKENS + self.tokens


@contextmanager
def prepared(way: str) -> Iterator[None]:
    """What must be there before the loop. Raises `ConfigurationError` where Ray is not."""
    connection = RayConnection() if way == RAY else None
    try:
        yield
    finally:
        if connection is not None:
            connection.close()


@asynccontextmanager
async def contender(way: str, setting: Setting) -> AsyncIterator[Contender]:
    """One of `WAYS`, up and running."""
    if way == ENGINE:
        config = null_config(setting.streams, setting.longest_tokens)
        yield Contender(EngineDriver(config, NullExecutor(step_s=setting.step_s)))
        return
    backend = _backend(way, setting)
    names = [f"replica-{number}" for number in range(setting.replicas)]
    cluster = Cluster(names, backend.nodes(), LeastOutstanding(), backend, backend, Timing())
    backend.receive, backend.went_away = cluster.receive, cluster.went_away
    try:
        await cluster.up()
        yield Contender(RouterDriver(cluster.router, EventLog()), cluster, backend)
    finally:
        cluster.close()
        if not isinstance(backend, InProcess):
            await backend.close()
        await asyncio.sleep(0)


def _backend(way: str, setting: Setting) -> InProcess | Processes | RayReplicas:
    room = {"streams": setting.streams, "longest_tokens": setting.longest_tokens}
    description = {**room, "step_s": setting.step_s}
    if way == IN_PROCESS:
        return InProcess(partial(make, description=description))
    if way == PROCESSES:
        return Processes(COMMAND, description)
    return RayReplicas(make, description)
