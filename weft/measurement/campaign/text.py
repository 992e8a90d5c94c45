"""A campaign in words and as JSON."""

import json
from collections.abc import Mapping, Sequence

from weft.measurement.campaign.campaign import ENOUGH_WORLDS, SITUATIONS, Batch, Failure, unreached
from weft.measurement.campaign.world import World
from weft.measurement.campaign.world_json import world_to_json
from weft.observation.conditions import Kind, report_to_json

Shrunk = Mapping[tuple[str, int], World]
"""By mode and seed: the smallest world that breaks the same invariant."""


def describe(batch: Batch) -> str:
    """What was played, what struck, which situations were reached."""
    ends = ", ".join(f"{count:,} {name}" for name, count in sorted(batch.ends.items()))
    lines = [
        f"{batch.num_worlds:,} worlds, {batch.seconds:,.0f} s of virtual time; requests: {ends or 'none'}",
        "",
        *_table("fault", {name: count for name, count in sorted(batch.injected.items()) if count}),
        "",
        *_table("situation", situations(batch)),
    ]
    return "\n".join(lines)


def situations(batch: Batch) -> dict[str, int]:
    """Those that a campaign must reach, with hits."""
    return {
        name: count.hits
        for name, count in batch.conditions.items()
        if name.startswith(SITUATIONS) and count.kind is Kind.SOMETIMES
    }


def _table(title: str, counts: Mapping[str, int]) -> list[str]:
    width = max((len(name) for name in (title, *counts)), default=0)
    return [
        f"{title:<{width}}  {'hits':>9}",
        *(f"{name:<{width}}  {hits:>9,}" for name, hits in counts.items()),
    ]


def describe_failures(batch: Batch, shrunk: Shrunk, differing: Sequence[tuple[str, int]]) -> str:
    """What went wrong, and how to see it again; empty where nothing did."""
    lines = [line for failure in batch.failures for line in _failure(failure, shrunk)]
    lines += [
        f"not alike twice: weft campaign --seed {seed} --mode {mode} --twice" for mode, seed in differing
    ]
    if batch.num_worlds >= ENOUGH_WORLDS:
        lines += [f"never reached: {name}" for name in unreached(batch)]
    return "\n".join(lines)


def _failure(failure: Failure, shrunk: Shrunk) -> list[str]:
    model = "" if failure.model == "fake" else f" --model {failure.model}"
    lines = [f"weft campaign --seed {failure.seed} --mode {failure.mode}{model}: {failure.detail}"]
    world = shrunk.get((failure.mode, failure.seed))
    return lines if world is None else [*lines, f"  shrunk: {world_to_json(world)}"]


def campaign_json(batch: Batch, shrunk: Shrunk, differing: Sequence[tuple[str, int]]) -> str:
    """All of it, for programs."""
    failures = [
        failure._asdict() | {"world": json.loads(world_to_json(shrunk[failure.mode, failure.seed]))}
        if (failure.mode, failure.seed) in shrunk
        else failure._asdict()
        for failure in batch.failures
    ]
    whole = {
        "worlds": batch.num_worlds,
        "virtual_seconds": batch.seconds,
        "requests": dict(sorted(batch.ends.items())),
        "injected": dict(sorted(batch.injected.items())),
        "conditions": json.loads(report_to_json(batch.conditions)),
        "never_reached": unreached(batch),
        "failures": failures,
        "not_alike_twice": [{"mode": mode, "seed": seed} for mode, seed in differing],
    }
    return json.dumps(whole, indent=1) + "\n"
