"""What the faults of a world excuse: which replicas may be lost by them, and which may have requests fail."""

from weft.measurement.campaign.faults import (
    Crash,
    EngineFault,
    Fault,
    Garbage,
    HangingStart,
    LateKills,
    MessageChance,
    Partition,
    Slow,
    SlowLinks,
    StaleTelemetry,
    StartFailures,
    StepFailures,
    SwapFailures,
    Wedge,
)
from weft.measurement.campaign.troubles import replica_name
from weft.measurement.campaign.world import World

OWN = (Crash, StartFailures, HangingStart, Slow, Wedge, Garbage, StaleTelemetry)
"""Faults of one replica that may end it."""

LATE = (MessageChance, Partition, SlowLinks, Slow, Wedge, LateKills)
"""Faults that keep words from replicas, or replicas from doing what they heard."""

HARMLESS = (StepFailures, SwapFailures, LateKills)
"""Faults that are no reason to give a replica up."""


def may_be_lost(world: World) -> list[str]:
    """Names of replicas that some fault may end; those of nodes and of the network may end any but the core."""
    numbers = range(world.num_replicas)
    if any(_is_everybodys(each) for each in world.faults):
        return [replica_name(each) for each in numbers if world.mode == "safety" or each != world.core]
    hit = [each.replica for each in world.faults if isinstance(each, OWN)]
    return [replica_name(each) for each in numbers if each in hit]


def _is_everybodys(fault: Fault) -> bool:
    return not isinstance(fault, (*OWN, *HARMLESS))


def hears_late(world: World) -> bool:
    """Whether some replica may not hear at once what it is told, or not be able to act upon it."""
    return any(isinstance(each, LATE) for each in world.faults)


def may_fail(world: World) -> list[str]:
    """Names of replicas whose steps, or engines, may fail requests that run there."""
    if any(isinstance(each, EngineFault) for each in world.faults):
        return [replica_name(each) for each in range(world.num_replicas)]
    hit = [each.replica for each in world.faults if isinstance(each, StepFailures)]
    return [replica_name(each) for each in range(world.num_replicas) if each in hit]
