"""Worlds: drawn from a seed, written down and read again."""

import json
from dataclasses import replace

import pytest

from weft.contracts.errors import ConfigurationError
from weft.measurement.campaign.drawing import draw_world
from weft.measurement.campaign.faults import Crash, Partition, ReplicaFault
from weft.measurement.campaign.world import Mode, World
from weft.measurement.campaign.world_json import world_from_json, world_to_json

MODES: tuple[Mode, ...] = ("safety", "liveness")
SEEDS = range(60)


def test_a_world_follows_from_its_seed() -> None:
    assert [draw_world(3, mode) for mode in MODES] == [draw_world(3, mode) for mode in MODES]
    assert len({world_to_json(draw_world(seed, "safety")) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("mode", MODES)
def test_what_was_written_down_is_the_same_world(mode: Mode) -> None:
    for seed in SEEDS:
        world = draw_world(seed, mode)
        assert world_from_json(world_to_json(world)) == world


def test_what_is_at_its_default_is_left_out() -> None:
    world = World(7, faults=(Crash(0, 1.5), Partition(None, 0)))
    assert json.loads(world_to_json(world)) == {
        "seed": 7,
        "faults": [
            {"kind": "Crash", "replica": 0, "at_s": 1.5},
            {"kind": "Partition", "source": None, "target": 0},
        ],
    }


def test_in_liveness_mode_the_core_has_no_faults_of_its_own() -> None:
    for seed in SEEDS:
        world = draw_world(seed, "liveness")
        lasting = [each for each in world.faults if isinstance(each, ReplicaFault | Crash)]
        assert world.core not in [each.replica for each in lasting]
        assert world == replace(world, num_nodes=world.num_replicas)


def test_worlds_leave_out_random_subsets() -> None:
    kinds = [
        tuple(sorted({type(each).__name__ for each in draw_world(seed, "safety").faults})) for seed in SEEDS
    ]
    assert len(set(kinds)) > 30
    assert () in kinds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "Expecting property name"),
        ("[]", r"the world is \[\]; expected an object"),
        ("{}", "the world lacks seed"),
        ('{"seed": "x"}', "seed of the world is 'x'; expected int"),
        ('{"seed": 1, "size": 2}', "the world has unknown fields size"),
        ('{"seed": 1, "mode": "fast"}', "mode of the world is 'fast'; choose from safety, liveness"),
        ('{"seed": 1, "faults": [{"kind": "Flood"}]}', "entry 0 of faults .* its kind must be one of Crash,"),
        ('{"seed": 1, "faults": [{"kind": "Crash"}]}', "entry 0 of faults of the world lacks replica, at_s"),
        (
            '{"seed": 1, "timing": {"heartbeat_s": -1}}',
            "timing of the world: heartbeat_s is -1.0; it must be above 0",
        ),
        ('{"seed": 1, "num_nodes": 0}', "the world: 1 replicas on 0 nodes, .*; give 1 or more of each"),
        (
            '{"seed": 1, "faults": [{"kind": "Wedge", "replica": 1}]}',
            r"the world: Wedge\(replica=1, .* is of number 1, which this world does not have",
        ),
        ('{"seed": 1, "clients": 3}', "clients of the world is 3; expected a list"),
    ],
)
def test_what_is_no_world_is_refused_with_the_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"not the description of a world: .*{problem}"):
        world_from_json(text)
