"""Collective operations: what costs say of the same ones, members that are late, and members that are lost."""

import pytest

from tests.costs.toy_hardware import FAR, cluster
from tests.simulator.fabric_runs import Fixture, played
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.costs.topology import COLLECTIVE_START_S, Topology
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Formats, OperationKind
from weft.model_specs.plan import Plan
from weft.simulator.network_faults import Cut, NetworkFaultPlan
from weft.simulator.simulated_collectives import CollectiveKind, hops

GROUP = ["A", "B", "C", "D"]
FORMATS = Formats(NumberFormat.FLOAT16, NumberFormat.FLOAT16, NumberFormat.FLOAT16)


def join(fixture: Fixture, name: str, kind: CollectiveKind = "all_reduce", num_bytes: int = 40) -> None:
    fixture.watch(name, fixture.fabric.collective(kind, GROUP, num_bytes))


def ended_s(fixture: Fixture) -> list[float]:
    """When, where all of the group ended well."""
    assert [fixture.ended[name][1] for name in GROUP] == [""] * 4
    return [fixture.ended[name][0] for name in GROUP]


def all_join(fixture: Fixture, kind: CollectiveKind, num_bytes: int = 40) -> None:
    for name in GROUP:
        join(fixture, name, kind, num_bytes)


KINDS: dict[CollectiveKind, tuple[OperationKind, Axis]] = {
    "all_reduce": (OperationKind.ALL_REDUCE, Axis.TENSOR),
    "all_gather": (OperationKind.ALL_GATHER, Axis.TENSOR),
    "all_to_all": (OperationKind.ALL_TO_ALL, Axis.EXPERT),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_what_costs_say(kind: CollectiveKind) -> None:
    operation_kind, axis = KINDS[kind]
    operation = OperationBuilder(FORMATS, 0).communication(operation_kind, "c", None, (axis, 4), 2000)
    expected = Topology(cluster(1, 4), Plan(tp=4)).seconds(operation)
    assert ended_s(played(lambda fixture: all_join(fixture, kind, 4000))) == pytest.approx([expected] * 4)


def test_an_all_reduce_is_a_ring_whatever_its_size() -> None:
    expected = COLLECTIVE_START_S + 6 * FAR.latency_s + 60 / FAR.bandwidth
    assert ended_s(played(lambda fixture: all_join(fixture, "all_reduce"))) == pytest.approx([expected] * 4)


def test_bytes_of_an_operation() -> None:
    assert hops("all_reduce", "ABCD", 40)[3] == ("D", "A", 60.0, 6)
    assert hops("all_gather", "ABCD", 40)[0] == ("A", "B", 30.0, 3)
    assert hops("all_to_all", "ABC", 30)[5] == ("C", "B", 10.0, 1)


def test_it_begins_when_the_last_member_has_come() -> None:
    def play(fixture: Fixture) -> None:
        for name in GROUP[:3]:
            join(fixture, name)
        fixture.at(100.0, join, fixture, "D")

    assert ended_s(played(play)) == pytest.approx([118.0 + COLLECTIVE_START_S] * 4)


def test_a_group_may_have_another_when_one_has_ended() -> None:
    def play(fixture: Fixture) -> None:
        all_join(fixture, "all_reduce")
        for name in GROUP:
            fixture.at(50.0, join, fixture, f"{name} again")

    ended = played(play).ended
    assert [when for when, _ in ended.values()] == pytest.approx([18.0] * 4 + [68.0] * 4, abs=1e-4)


def test_it_shares_the_network_with_transfers() -> None:
    def play(fixture: Fixture) -> None:
        fixture.watch("transfer", fixture.fabric.transfer("A", "C", 1000))
        all_join(fixture, "all_gather", 400)

    ended = played(play).ended
    # A to B and B to C have 5 bytes/s for their 300; the transfer 300 in 60 s, and 700 in the 70 s after.
    assert ended["A"][0] == pytest.approx(60.0 + 6.0 + COLLECTIVE_START_S, abs=1e-4)
    assert ended["transfer"][0] == pytest.approx(132.0, abs=1e-4)


def test_a_group_of_one_need_not_wait() -> None:
    def play(fixture: Fixture) -> None:
        fixture.watch("alone", fixture.fabric.collective("all_reduce", ["A"], 1000))

    assert played(play).ended == {"alone": (0.0, "")}


@pytest.mark.parametrize(("lost_at_s", "heard_at_s"), [(1.0, 1.0), (102.0, 104.0)])
def test_a_lost_member_fails_those_that_wait_and_those_that_send(lost_at_s: float, heard_at_s: float) -> None:
    def play(fixture: Fixture) -> None:
        for name in GROUP[:3]:
            join(fixture, name)
        fixture.at(lost_at_s, fixture.fabric.unregister, "D")
        if lost_at_s > 100.0:
            fixture.at(100.0, join, fixture, "D")

    ended = played(play).ended
    assert [ended[name] for name in GROUP[:3]] == [(heard_at_s, "'D' is gone")] * 3


def test_with_a_member_that_is_gone_none_begins() -> None:
    def play(fixture: Fixture) -> None:
        fixture.fabric.unregister("D")
        join(fixture, "A")

    assert played(play).ended == {"A": (0.0, "'D' is gone")}


def test_a_partition_breaks_it_and_the_rest_is_given_up() -> None:
    def play(fixture: Fixture) -> None:
        all_join(fixture, "all_reduce", 400)
        fixture.at(11.0, lambda: fixture.watch("after", fixture.fabric.transfer("A", "B", 100)))

    ended = played(play, NetworkFaultPlan(cuts=[Cut("d", "c", 10.0)])).ended
    assert ended["A"] == ended["C"] == (11.0, "a partition lies between their nodes")
    assert ended["after"] == (23.0, "")


def test_who_gives_up_waiting_has_not_come() -> None:
    def play(fixture: Fixture) -> None:
        future = fixture.fabric.collective("all_reduce", GROUP, 40)
        fixture.at(1.0, future.cancel)
        for name in GROUP[:3]:
            fixture.at(2.0, join, fixture, name)
        fixture.at(50.0, join, fixture, "D")

    assert played(play).ended["A"][0] == pytest.approx(68.0 + COLLECTIVE_START_S)


def test_groups_and_sizes_that_cannot_be_are_refused() -> None:
    def play(fixture: Fixture) -> None:
        collective = fixture.fabric.collective
        with pytest.raises(ConfigurationError, match="name each member once"):
            collective("all_reduce", ["A", "B", "A"], 1)
        with pytest.raises(ConfigurationError, match="among nobody"):
            collective("all_reduce", [], 1)
        with pytest.raises(ConfigurationError, match="actor 'X' is unknown"):
            collective("all_reduce", ["A", "X"], 1)
        waiting = collective("all_reduce", ["A", "B"], 1)
        with pytest.raises(ConfigurationError, match="another member has said 1"):
            collective("all_reduce", ["A", "B"], 2)
        waiting.cancel()

    played(play)
