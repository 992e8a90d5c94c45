"""When a world must have settled."""

from dataclasses import replace

import pytest

from weft.measurement.campaign.drawing import draw_world
from weft.measurement.campaign.faults import Slow
from weft.measurement.campaign.playing import play
from weft.measurement.campaign.settling import deadline_s
from weft.measurement.campaign.world import ClientPlan, EnginePlan, Mode, World


def deadline_with(*faults: Slow, mode: Mode = "liveness") -> float:
    return deadline_s(World(0, mode, num_replicas=2, clients=(ClientPlan(0, 0.0),), faults=faults))


def test_a_replica_that_is_slow_for_two_reasons_has_the_time_of_both() -> None:
    assert deadline_with(Slow(0, 6.0), Slow(0, 50.0)) == deadline_with(Slow(0, 300.0))


def test_replicas_that_are_slow_beside_each_other_have_the_time_of_the_slowest() -> None:
    assert deadline_with(Slow(0, 6.0), Slow(1, 50.0)) == deadline_with(Slow(1, 50.0))


@pytest.mark.parametrize("faults", [(), (Slow(0, 50.0),)])
def test_where_all_heals_nobody_is_slow_in_the_end(faults: tuple[Slow, ...]) -> None:
    assert deadline_with(*faults, mode="safety") == deadline_with()


@pytest.mark.parametrize("layout", ["recurrent", "hybrid"])
def test_beams_of_a_model_that_sums_up_its_tokens_have_time_to_compute_them_again(layout: str) -> None:
    def work_s(which: str) -> float:
        client = ClientPlan(0, 0.0, max_tokens=300, beam_width=4)
        frame = World(0, engine=EnginePlan(which, max_step_tokens=8))
        return deadline_s(replace(frame, clients=(client,))) - deadline_s(frame)

    assert work_s(layout) > 30.0 * work_s("paged")


def test_a_search_that_must_compute_its_beams_again_ends_in_time() -> None:
    world = draw_world(10362, "liveness")
    assert world.engine.layout == "recurrent"
    assert play(world).violation is None
