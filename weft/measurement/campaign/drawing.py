"""Worlds from seeds: each leaves out a random subset of features and of faults.

Swarm testing (Groce et al., ISSTA 2012): runs that leave features out reach states that runs with all of them do not.
Every part draws from a stream of its own, so that no part shifts another.
"""

from dataclasses import replace
from random import Random

from weft.cluster.timing import Timing
from weft.measurement.campaign.drawing_clients import draw_clients
from weft.measurement.campaign.drawing_faults import draw_faults, draw_operations
from weft.measurement.campaign.layouts import LAYOUTS
from weft.measurement.campaign.world import EnginePlan, Mode, ModelName, World
from weft.policies.registry import POLICIES

ROUTE_KNOBS = (
    "power_of_two:choices=1:seed=5",
    "prequal:probes=1:most_age_s=5",
    "prequal:hot_quantile=0:removed=0",
    "prefix_affinity:block_tokens=4:least_share=0",
    "prefix_affinity:block_tokens=4:load_bound=1:free_requests=0",
    "session_affinity:most_sessions=2",
    "session_affinity:load_bound=1:free_requests=0",
    "vtc:weights=a=3+b=1",
)


def draw_world(seed: int, mode: Mode, model: ModelName = "fake") -> World:
    """The world of a seed. One with a real model has less of everything, and what such a model knows."""
    random = Random(f"{seed}/{mode}/campaign/world")
    liveness = mode == "liveness"
    num_replicas = random.choice([2, 2, 3, 3, 4, 6] if liveness else [1, 2, 2, 3, 3, 4, 6])
    frame = World(
        seed,
        mode,
        num_replicas,
        num_replicas if liveness else random.randint(1, num_replicas),
        core=random.randrange(num_replicas),
        engine=draw_engine(seed, mode),
        route=draw_route(random),
        timing=draw_timing(random),
        tells=random.random() < 0.93,
        cold_start_s=random.choice([0.0, 0.1, 0.5, 1.0]),
        notice_s=random.choice([0.1, 1.0, 3.0]),
        away_s=random.choice([0.5, 2.0, 5.0]),
        latency_s=random.choice([5e-5, 5e-4, 5e-3]),
        submit_bytes=random.choice([0, 0, 0, 4096, 100_000]),
        heals_at_s=random.choice([2.0, 4.0, 8.0]),
    )
    return _inhabited(frame) if model == "fake" else small(_inhabited(frame), model)


def _inhabited(frame: World) -> World:
    troubled = replace(frame, faults=draw_faults(frame))
    troubled = replace(troubled, operations=draw_operations(troubled))
    return replace(troubled, clients=draw_clients(troubled))


MOST_REAL_CLIENTS = 6


def small(world: World, model: ModelName) -> World:
    """The same with a real model: a few clients whose prompts are tokens, no adapters, pictures or drafts."""
    engine = replace(
        world.engine,
        layout="paged",
        num_blocks=max(world.engine.num_blocks, 24),
        worst_case=False,
        drafts="none",
    )
    step = -(-len(world.clients) // MOST_REAL_CLIENTS)
    clients = tuple(
        replace(each, prompt=replace(each.prompt, kind="tokens", pictures=()), adapter=None)
        for each in world.clients[::step]
    )
    return replace(world, model=model, engine=engine, clients=clients)


def draw_route(random: Random) -> str:
    """Any policy that ships, some with knobs."""
    plain = [name if name != "prefix_affinity" else f"{name}:block_tokens=4" for name in POLICIES["route"]]
    return random.choice([*plain, *ROUTE_KNOBS])


def draw_timing(random: Random) -> Timing:
    """Short, so that a run need not be long."""
    heartbeat_s = random.choice([0.1, 0.25, 0.25, 0.5])
    return Timing(
        heartbeat_s,
        lost_after_s=heartbeat_s * random.choice([2.0, 4.0, 4.0, 6.0]),
        stalled_after_s=random.choice([1.5, 3.0, 6.0]),
        patience_s=random.choice([1.5, 4.0, 20.0]),
        restart_s=random.choice([0.1, 0.5, 1.0]),
        most_restart_s=random.choice([1.0, 3.0]),
        start_s=random.choice([3.0, 5.0]),
    )


def draw_engine(seed: int, mode: Mode) -> EnginePlan:
    """An engine, often with too few blocks, rows or tokens for comfort."""
    random = Random(f"{seed}/{mode}/campaign/engine")
    choice = random.choice
    host = choice([0, 0, 8, 40])
    preempts = list(POLICIES["preempt"])
    return EnginePlan(
        layout=choice(sorted(LAYOUTS)),
        stop_bias=choice([0.0, 0.05, 0.2]),
        depth=choice([1, 2, 2, 3]),
        num_blocks=choice([14, 16, 24, 64]),
        num_snapshots=choice([2, 3, 5, 16]),
        num_host_blocks=host,
        max_step_tokens=choice([8, 16, 32]),
        max_running=choice([2, 4, 8]),
        max_queued_tokens=choice([60, 200, 10_000, 10_000]),
        prefix_caching=random.random() < 0.8,
        worst_case=random.random() < 0.1,
        order=choice(["fcfs", "fcfs", "fcfs", *POLICIES["order"], "tiny_quanta:quantum_tokens=2"]),
        budget=choice(["decode_first", "decode_first", *POLICIES["budget"]]),
        preempt=choice(["latest_first_swap", "cheapest_to_restore", *preempts] if host else preempts),
        retain=choice(["lru", "lru", *POLICIES["retain"]]),
        drafts=choice(["none", "none", "none", "chain", "tree"]),
        step_s=choice([0.005, 0.02, 0.05]),
        swap_s=choice([0.0, 0.01, 0.3]),
    )
