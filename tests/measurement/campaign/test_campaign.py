"""Hundreds of worlds, each played twice."""

import pytest

from weft.measurement.campaign import campaign as campaign_module
from weft.measurement.campaign.campaign import (
    Batch,
    differing,
    hash_seed,
    merged,
    play_seeds,
    run_campaign,
    unreached,
)
from weft.measurement.campaign.world import Mode

MODES: tuple[Mode, ...] = ("safety", "liveness")
NUM_SEEDS = 70
NUM_FAULTS = 22
"""Kinds that must have struck."""


def campaign(number: int, num_seeds: int = NUM_SEEDS) -> Batch:
    with hash_seed(number):
        return run_campaign(MODES, range(num_seeds), 2, digests=True)


def test_no_promise_is_broken_every_situation_is_reached_and_all_happens_twice_alike() -> None:
    first, second = campaign(1), campaign(2)
    assert [*first.failures, *second.failures] == []
    assert unreached(first) == []
    assert differing(first, second) == []
    assert first.num_worlds == len(first.digests) == len(MODES) * NUM_SEEDS
    assert first.conditions == second.conditions
    assert len([kind for kind, count in first.injected.items() if count]) >= NUM_FAULTS
    assert first.ends["finished"] > 1500
    assert first.ends["failed"] > 50
    assert not first.ends["open"]


def test_how_batches_are_cut_changes_nothing() -> None:
    whole = play_seeds("safety", range(4), digests=True)
    parts = merged([play_seeds("safety", [seed], digests=True) for seed in range(4)])
    assert parts == whole


def test_no_more_worlds_are_begun_once_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_module, "BATCHES_PER_ROUND", 1)
    monkeypatch.setattr(campaign_module, "WORLDS_PER_BATCH", 2)
    num_ended: list[int] = []

    def is_time_up() -> bool:
        return bool(num_ended)

    batch = run_campaign(("safety",), range(20), 1, is_time_up=is_time_up, ended=num_ended.append)
    assert batch.num_worlds == sum(num_ended) == 2


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(10_000, 14_000, 500))
def test_thousands_of_worlds(first: int) -> None:
    batch = run_campaign(MODES, range(first, first + 500), 1)
    assert batch.failures == ()
    assert unreached(batch) == []
