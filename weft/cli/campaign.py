"""`weft campaign`: clusters in virtual time, to which all goes wrong that can."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import click
from tqdm import tqdm

from weft.cli.simulate_sweep import job_count
from weft.contracts.errors import ConfigurationError
from weft.measurement.campaign.campaign import (
    Batch,
    differing,
    hash_seed,
    run_campaign,
)
from weft.measurement.campaign.drawing import draw_world
from weft.measurement.campaign.playing import play
from weft.measurement.campaign.shrinking import shrink
from weft.measurement.campaign.text import Shrunk, campaign_json, describe, describe_failures
from weft.measurement.campaign.world import Mode, ModelName, World
from weft.measurement.campaign.world_json import world_from_json

MODES: dict[str, tuple[Mode, ...]] = {
    "safety": ("safety",),
    "liveness": ("liveness",),
    "both": ("safety", "liveness"),
}
MOST_SHRUNK = 3
"""Failures that are made smaller, one of each kind."""


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=200, show_default=True, help="How many seeds.")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="The first of them.")
@click.option("--seed", type=click.IntRange(min=0), help="This seed only.")
@click.option(
    "--mode", type=click.Choice(list(MODES)), default="both", show_default=True, help="What is demanded."
)
@click.option(
    "--model",
    type=click.Choice(get_args(ModelName)),
    default="fake",
    show_default=True,
    help="What the replicas serve: a model made to show whether state was kept right, or a small real one.",
)
@click.option("-j", "--jobs", default="1", show_default=True, help="Processes; auto: one per processor.")
@click.option(
    "--time-limit", type=click.FloatRange(min=0, min_open=True), help="Begin no more after these seconds."
)
@click.option(
    "--twice", is_flag=True, help="Play each in two processes with different hash seeds; all must be alike."
)
@click.option(
    "--shrink/--no-shrink", "shrinks", default=True, show_default=True, help="Make failures smaller."
)
@click.option(
    "--world", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Play this world only."
)
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write all to a file."
)
def command(
    seeds: int,
    first: int,
    seed: int | None,
    mode: str,
    model: ModelName,
    jobs: str,
    time_limit: float | None,
    twice: bool,
    shrinks: bool,
    world: Path | None,
    json_path: Path | None,
) -> int:
    """Play random clusters and clients while replicas, nodes and the network fail, and check every promise.

    A world follows from its seed. In safety mode all faults heal, and every request must end with the right tokens; in
    liveness mode one replica stays well, faults elsewhere are for ever, and requests must end all the same. The exit
    code is 1 where anything was wrong, or a situation was never reached.
    """
    if world is not None:
        return _play_one(_read(world))
    chosen = range(first, first + seeds) if seed is None else range(seed, seed + 1)
    batch, not_alike = _play_all(MODES[mode], chosen, model, job_count(jobs), time_limit, twice)
    shrunk = _shrunk(batch) if shrinks else {}
    click.echo(describe(batch))
    if problems := describe_failures(batch, shrunk, not_alike):
        click.echo(f"\n{problems}")
    if json_path is not None:
        json_path.write_text(campaign_json(batch, shrunk, not_alike), encoding="utf-8")
    return 1 if problems else 0


def _read(path: Path) -> World:
    try:
        return world_from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is no text; give the JSON of a world") from None


def _play_one(world: World) -> int:
    outcome = play(world)
    ends = ", ".join(f"{count} {name}" for name, count in sorted(outcome.ends.items()))
    click.echo(f"{outcome.seconds:.1f} s of virtual time; requests: {ends or 'none'}")
    click.echo(outcome.detail or "all is well")
    return 1 if outcome.violation else 0


def _play_all(
    modes: Sequence[Mode],
    seeds: range,
    model: ModelName,
    num_processes: int,
    time_limit: float | None,
    twice: bool,
) -> tuple[Batch, list[tuple[str, int]]]:
    begun_s, num_plays = time.monotonic(), 2 if twice else 1

    def is_time_up() -> bool:
        return time_limit is not None and time.monotonic() - begun_s > time_limit

    with tqdm(total=num_plays * len(seeds) * len(modes), unit="world", disable=None, leave=False) as bar:
        run = partial(run_campaign, modes, seeds, is_time_up=is_time_up, ended=bar.update, model=model)
        if not twice:
            return run(num_processes), []
        with hash_seed(1):
            first = run(max(2, num_processes), digests=True)
        with hash_seed(2):
            second = run(max(2, num_processes), digests=True)
        return first, differing(first, second)


def _shrunk(batch: Batch) -> Shrunk:
    found: dict[tuple[str, int], World] = {}
    kinds: list[str] = []
    for failure in batch.failures:
        if failure.violation not in kinds and len(kinds) < MOST_SHRUNK:
            kinds.append(failure.violation)
            world = draw_world(failure.seed, failure.mode, failure.model)
            found[failure.mode, failure.seed] = shrink(world, failure.violation)
    return found
