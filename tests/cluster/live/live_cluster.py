"""A router with replicas in processes of their own, with the fake model and on the real clock."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.cluster.live.fake_replica import make
from tests.cluster.small_cluster import Client, LeastBusy
from tests.engine.small_engine import ask
from tests.simulator.fake_driver import LAYOUTS
from weft.cluster.cluster import Cluster
from weft.cluster.member import Phase
from weft.cluster.processes import Processes
from weft.cluster.ray_backend import RayReplicas
from weft.cluster.timing import Timing
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-m", "tests.cluster.live.fake_replica")

PATIENT = Timing(heartbeat_s=0.1, lost_after_s=20.0, restart_s=0.05)
"""Whoever is slow here is not lost for it: these machines have more to do than one test."""

ALERT = Timing(heartbeat_s=0.1, lost_after_s=2.5, restart_s=0.05)
"""A stopped one is lost soon, one that waits for a processor hardly ever."""

SPEC = FakeModelSpec(LAYOUTS["paged"])


class LiveCluster:
    """To be made inside a running loop. `said`: lines that processes wrote."""

    def __init__(
        self,
        num_replicas: int = 2,
        timing: Timing = PATIENT,
        command: Sequence[str] = COMMAND,
        on_ray: bool = False,
        **description: Any,
    ) -> None:
        self.said: list[str] = []
        told = {"step_s": 0.004, "timing": asdict(timing), **description}
        self.backend: Processes | RayReplicas
        if on_ray:
            self.backend = RayReplicas(make, told)
        else:
            self.backend = Processes(command, told, self.said.append)
        self.names = [f"replica-{number}" for number in range(num_replicas)]
        self.cluster = Cluster(
            self.names, self.backend.nodes(), LeastBusy(), self.backend, self.backend, timing
        )
        self.backend.receive, self.backend.went_away = self.cluster.receive, self.cluster.went_away
        self.asked: list[tuple[Request, Client]] = []

    def ask(self, *requests: Request, whole: bool = False) -> None:
        """Have requests answered."""
        for request in requests:
            client = Client()
            self.asked.append((request, client))
            self.cluster.router.ask(request, client.sink, whole=whole)

    def signal(self, name: str, number: signal.Signals) -> None:
        """To the process of a replica."""
        process_id = self.backend.process_id(name)
        assert process_id is not None
        os.kill(process_id, number)

    async def told(self, count: int) -> None:
        """Wait until every request has so many tokens told, or has ended."""
        await until(lambda: all(has_ended(client) or len(client.told()) >= count for _, client in self.asked))

    async def answered(self) -> None:
        """Wait for the ends of all requests, which must have been told what the model says to each alone."""
        await until(lambda: self.cluster.router.num_open == 0)
        for request, client in self.asked:
            for sample in range(request.sampling.n):
                assert client.told(sample) == reference_output(SPEC, request, sample)
            assert client.end.status is Status.FINISHED

    def is_whole(self) -> bool:
        """Whether all replicas are up."""
        return all(state.phase is Phase.UP for state in self.cluster.view())

    @property
    def lost(self) -> list[str]:
        """Names of those that were lost, in order."""
        return [name for _, name, _ in self.cluster.losses]


def some(count: int, tokens: int = 60, name: str = "r") -> list[Request]:
    """Requests with outputs of so many tokens, every other one with two of them."""
    return [ask(f"{name}{i}", 9 + i, tokens, n=1 + i % 2, temperature=1.0) for i in range(count)]


def has_ended(client: Client) -> bool:
    return bool(client.news) and not hasattr(client.news[-1], "sample_index")


async def until(condition: Callable[[], bool]) -> None:
    """Wait; pytest's own limit of time ends what waits for ever."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)


def play(
    scenario: Callable[[LiveCluster], Awaitable[None]], *, is_up: bool = True, **settings: Any
) -> LiveCluster:
    """Let a scenario happen; neither a process nor a file descriptor of it may be left over."""

    async def main() -> LiveCluster:
        live = LiveCluster(**settings)
        try:
            if is_up:
                await live.cluster.up()
            await scenario(live)
        finally:
            live.cluster.close()
            await live.backend.close()
        return live

    if settings.get("on_ray"):
        return asyncio.run(main())
    before, others = descriptors(), children()
    live = asyncio.run(main())
    gc.collect()
    assert [each for each in children() if each not in others] == []
    assert descriptors() <= before  # others in this process may close some
    return live


def descriptors() -> int:
    """Files, sockets and pipes that this process has open."""
    return len(os.listdir("/proc/self/fd"))


def children() -> list[str]:
    """Processes that this one has started, zombies too."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def is_alive(process_id: str) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
