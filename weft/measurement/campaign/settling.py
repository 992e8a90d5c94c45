"""When a world has settled: what follows from its waiting times, and no promise of how fast it is."""

from math import prod

from weft.contracts.state import ConstantGroup
from weft.measurement.campaign.faults import LateKills, Restart, Slow
from weft.measurement.campaign.layouts import LAYOUTS
from weft.measurement.campaign.world import ClientPlan, EnginePlan, World

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
    slowness = 1.0 if world.mode == "safety" else _most_slowness(world)
    num_steps = sum(_most_steps(each, world.engine) for each in world.clients)
    work_s = 2.0 * slowness * world.engine.step_s * num_steps
    last_s = max((each.at_s + (each.leaves_s or 0.0) for each in world.clients), default=0.0)
    from_s = max(last_s, settled_s(world))
    return from_s + 3.0 * recovery_s(world) + world.timing.patience_s + work_s


def _most_steps(client: ClientPlan, engine: EnginePlan) -> float:
    """Of a request that nobody disturbs. Beams fork at every token, and a summary of tokens cannot be shared as they
    themselves are: where there is no snapshot at hand, a fork computes all of its tokens again."""
    num_steps = client.n * client.max_tokens * client.beam_width + 40
    is_summary = any(isinstance(group, ConstantGroup) for group in LAYOUTS[engine.layout])
    if client.beam_width == 1 or not is_summary:
        return num_steps
    whole_tokens = client.prompt.num_tokens + client.max_tokens
    return num_steps * (1.0 + whole_tokens / engine.max_step_tokens)


def _most_slowness(world: World) -> float:
    """Of any replica. It may be slow for several reasons at once, each of which makes it so many times slower."""
    slows = [each for each in world.faults if isinstance(each, Slow)]
    factors = (prod(slow.factor for slow in slows if slow.replica == each.replica) for each in slows)
    return max(factors, default=1.0)
