"""When a world has settled: what follows from its waiting times, and no promise of how fast it is."""

from weft.measurement.campaign.faults import LateKills, Restart, Slow
from weft.measurement.campaign.world import World

SPARE_S = 1.0


def recovery_s(world: World) -> float:
    """From the last trouble until every replica that can be is up: it takes so long to notice that one is gone, that it
    does not start, to end what is left of it, and to start it anew."""
    timing = world.timing
    noticed_s = timing.stalled_after_s + timing.lost_after_s + timing.start_s
    away_s = world.away_s + world.notice_s + 2.0 * late_kills_s(world)
    return (
        noticed_s
        + away_s
        + timing.most_restart_s
        + 4.0 * timing.heartbeat_s
        + 2.0 * world.cold_start_s
        + SPARE_S
    )


def late_kills_s(world: World) -> float:
    """How long what is killed goes on."""
    return max((each.seconds for each in world.faults if isinstance(each, LateKills)), default=0.0)


def settled_s(world: World) -> float:
    """When all must be well again; in liveness mode, the core is from the beginning."""
    return world.heals_at_s + recovery_s(world)


def restarted_s(world: World) -> float:
    """That rolling restarts take after that, one replica after the other."""
    one_s = 2.0 * world.cold_start_s + 8.0 * world.timing.heartbeat_s + 2.0 * late_kills_s(world) + SPARE_S
    drains_s = [each.drain_s for each in world.operations if isinstance(each, Restart)]
    return world.num_replicas * sum(one_s + drain_s for drain_s in drains_s)


def deadline_s(world: World) -> float:
    """When every request must have ended: each may be lost three times, and wait, and then there is its work."""
    slowness = max((each.factor for each in world.faults if isinstance(each, Slow)), default=1.0)
    if world.mode == "safety":
        slowness = 1.0
    num_tokens = sum(each.n * each.max_tokens * each.beam_width + 40 for each in world.clients)
    work_s = 2.0 * slowness * world.engine.step_s * num_tokens
    last_s = max((each.at_s + (each.leaves_s or 0.0) for each in world.clients), default=0.0)
    from_s = max(last_s, settled_s(world))
    return from_s + 3.0 * recovery_s(world) + world.timing.patience_s + work_s
