"""Plays a world and says what was wrong with it."""

from collections import Counter
from typing import NamedTuple

from weft.contracts.errors import InvariantViolation
from weft.measurement.campaign.scene import Scene
from weft.measurement.campaign.troubles import EngineFaults
from weft.measurement.campaign.world import World
from weft.observation.faults import armed
from weft.simulator.virtual_time import (
    SimulationDeadlock,
    SimulationError,
    SimulationLivelock,
    VirtualTimeLoop,
    run,
)

MOST_CALLBACKS_PER_INSTANT = 100_000


class Outcome(NamedTuple):
    """`violation`: the name of the first, None where all is well; `injected`: by kind, how often a fault struck;
    `ends`: of requests, by how they ended; `digest`: of all that happened, empty where it was not asked for."""

    violation: str | None
    detail: str
    injected: Counter[str]
    ends: Counter[str]
    digest: str
    seconds: float


def play(world: World, *, digests: bool = False) -> Outcome:
    """Let it happen, from its first moment to the last."""
    loop = VirtualTimeLoop(max_callbacks_per_instant=MOST_CALLBACKS_PER_INSTANT)
    scene = Scene(world, digests=digests)
    loop.set_exception_handler(lambda _, context: scene.note_failure(context))
    plan = EngineFaults(world)
    try:
        if plan.names:
            with armed(plan):
                run(scene.play(), loop=loop)
        else:
            run(scene.play(), loop=loop)
    except Exception as error:
        scene.complain(_named(error))
    scene.note_injected(plan)
    found = scene.violations[0] if scene.violations else None
    name, detail = (found.name, str(found)) if found is not None else (None, "")
    return Outcome(name, detail, scene.troubles.injected, scene.ends(), scene.digest(), scene.ended_s)


def _named(error: Exception) -> InvariantViolation:
    match error:
        case InvariantViolation():
            return error
        case SimulationDeadlock():
            return InvariantViolation("no_deadlock", str(error))
        case SimulationLivelock():
            return InvariantViolation("no_livelock", str(error))
        case SimulationError():
            return InvariantViolation("no_failure_unseen", str(error))
    return InvariantViolation(f"no_{type(error).__name__}", repr(error))
