"""Replicas on nodes, the router in front of them, and controllers that keep them running."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from weft.cluster.controllers import (
    SETTLED_S,
    Action,
    Controller,
    Drain,
    KeepUp,
    Kill,
    ReplicaState,
    Start,
)
from weft.cluster.member import Member, Phase
from weft.cluster.messages import Frame
from weft.cluster.nodes import Node
from weft.cluster.router import Router
from weft.cluster.timing import Timing
from weft.contracts.errors import ConfigurationError
from weft.contracts.execution import Messages, Provisioning
from weft.contracts.routing import ReplicaJoined, ReplicaLeft, RouteEvent, RoutePolicy
from weft.observation.conditions import sometimes

RESTARTED = sometimes("cluster: a lost replica was started anew")
START_FAILED = sometimes("cluster: a replica could not be started")
DRAINED = sometimes("cluster: a replica drained and went down")

ROUTER = "router"
MOST_FIRST_LOSSES = 3
"""Of one replica in a row, before all were up once: then something is wrong with what is to be started."""
MOST_LOSSES = 1 << 10
"""That are remembered."""


class Cluster:
    """`names`: of the replicas, which `provisioning` starts on `nodes`, and with which `router` talks over `fabric`.
    `on_lost` is told which replica was lost, and why; `observe`, of what the policy is told. `losses`: when, for the
    last ones. `controllers`: asked in their order; `KeepUp` is the first.
    """

    def __init__(
        self,
        names: Sequence[str],
        nodes: Sequence[Node],
        policy: RoutePolicy,
        fabric: Messages,
        provisioning: Provisioning,
        timing: Timing,
        *,
        on_lost: Callable[[str, str], object] = lambda name, reason: None,
        observe: Callable[[RouteEvent], object] = lambda event: None,
        tells: bool = True,
        seed: int = 0,
    ) -> None:
        if not names:
            raise ConfigurationError("a cluster needs a replica at least; give 1 or more")
        self._nodes, self._fabric, self._provisioning, self._timing = nodes, fabric, provisioning, timing
        self._on_lost, self._observe_too = on_lost, observe
        self._loop = asyncio.get_running_loop()
        self._states = {name: (Phase.DOWN, self._loop.time()) for name in names}
        self._num_losses = dict.fromkeys(names, 0)
        self._places: dict[str, str] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._is_up: asyncio.Future[None] = self._loop.create_future()
        self.losses: deque[tuple[float, str, str]] = deque(maxlen=MOST_LOSSES)
        self.controllers: list[Controller] = [KeepUp(timing)]
        self.router = Router(
            names, policy, self._send, timing, self._lost, observe=self._observe, tells=tells, seed=seed
        )
        self._timer = self._loop.call_soon(self._control)

    async def up(self) -> None:
        """Wait until all replicas are ready. Raises `ConfigurationError` where one cannot be started."""
        await asyncio.shield(self._is_up)

    def close(self) -> None:
        """End all of it, at once."""
        self._timer.cancel()
        self.router.close()
        for task in self._tasks:
            task.cancel()
        for name in self._states:
            self._provisioning.kill(name)

    def receive(self, name: str, message: object) -> None:
        """What the fabric delivers to the router."""
        self.router.receive(name, message)

    def went_away(self, name: str, incarnation: int, reason: str) -> None:
        """Whoever runs a replica says that it is gone."""
        member = self.router.membership.members[name]
        if member.incarnation == incarnation and member.phase is not Phase.STOPPING:
            self.router.membership.lose(member, reason)

    def view(self) -> list[ReplicaState]:
        """What controllers see."""
        states = []
        for name, member in self.router.membership.members.items():
            phase, since_s = self._states[name]
            if member.phase is not phase:
                phase, since_s = self._states[name] = member.phase, self._loop.time()
            if phase is Phase.UP and self._loop.time() - since_s > SETTLED_S:
                self._num_losses[name] = 0
            states.append(ReplicaState(name, phase, since_s, len(member.requests), self._num_losses[name]))
        return states

    def _send(self, name: str, frame: Frame) -> None:
        self._fabric.send(ROUTER, name, frame)

    def _control(self) -> None:
        self._timer = self._loop.call_later(self._timing.heartbeat_s, self._control)
        self._end_drained()
        self.controllers = [each for each in self.controllers if not each.is_over]
        for controller in self.controllers:
            for action in controller.decide(self.view(), self._loop.time()):
                self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Start(name):
                self._start(name)
            case Drain(name):
                self.router.drain(name)
            case Kill(name, reason):
                self.router.membership.lose(self.router.membership.members[name], reason, is_wanted=True)

    def _end_drained(self) -> None:
        for member in self.router.membership.members.values():
            if member.phase is Phase.DRAINING and not member.requests:
                DRAINED.hit()
                member.stop()
                self._spawn(self._stop(member))

    async def _stop(self, member: Member) -> None:
        incarnation = member.incarnation
        await self._provisioning.stop(member.name)
        if member.phase is Phase.STOPPING and member.incarnation == incarnation:
            member.phase = Phase.DOWN  # unless it was lost meanwhile, and another took its place

    def _start(self, name: str) -> None:
        if self._num_losses[name]:
            RESTARTED.hit()
        member = self.router.membership.members[name]
        incarnation = self.router.membership.starting(name)
        self._spawn(self._started(member, incarnation))

    async def _started(self, member: Member, incarnation: int) -> None:
        try:
            await self._provisioning.start(member.name, self._place(member.name), incarnation)
        except Exception as error:  # whatever keeps a backend from it must not leave it waited for
            START_FAILED.hit()
            self.went_away(member.name, incarnation, f"it could not be started: {error}")

    def _place(self, name: str) -> str:
        """The available node with the fewest replicas, the first of several."""
        others = [node for other, node in self._places.items() if other != name]
        available = [node.name for node in self._nodes if node.is_available]
        if not available:
            raise ConfigurationError("no node is available; add one, or wait")
        self._places[name] = min(available, key=others.count)
        return self._places[name]

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(partial(self._tasks.pop))

    def _lost(self, name: str, reason: str) -> None:
        self._num_losses[name] += 1
        self._states[name] = Phase.DOWN, self._loop.time()
        if self._num_losses[name] >= MOST_FIRST_LOSSES:
            self._settle(
                ConfigurationError(f"{name} was lost {MOST_FIRST_LOSSES} times; the last time: {reason}")
            )
        self._on_lost(name, reason)
        self.losses.append((self._loop.time(), name, reason))
        self._provisioning.kill(name)

    def _settle(self, problem: ConfigurationError | None) -> None:
        """Whether it ever came up."""
        if self._is_up.done():
            return
        if problem is None:
            self._is_up.set_result(None)
        else:
            self._is_up.set_exception(problem)
            self._is_up.exception()  # nobody may wait for it

    def _observe(self, event: RouteEvent) -> None:
        self._observe_too(event)
        if isinstance(event, ReplicaJoined | ReplicaLeft):
            self.view()
            phases = [member.phase for member in self.router.membership.members.values()]
            if all(phase is Phase.UP for phase in phases):
                self._settle(None)
