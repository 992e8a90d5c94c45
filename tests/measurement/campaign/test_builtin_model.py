"""A few worlds in which the replicas serve a real model."""

from collections import Counter

from weft.measurement.campaign.drawing import draw_world
from weft.measurement.campaign.playing import play
from weft.measurement.campaign.world import Mode

MODES: tuple[Mode, ...] = ("safety", "liveness")
SEEDS = (1, 5, 10)


def test_a_real_model_says_to_each_what_it_says_to_it_alone() -> None:
    ends = Counter[str]()
    for seed in SEEDS:
        for mode in MODES:
            outcome = play(draw_world(seed, mode, "weft-nano"))
            assert outcome.detail == ""
            ends += outcome.ends
    assert ends["finished"] >= 15


def test_its_worlds_are_alike_twice() -> None:
    world = draw_world(9, "liveness", "weft-nano")
    first, second = play(world, digests=True), play(world, digests=True)
    assert first == second
    assert first.digest
