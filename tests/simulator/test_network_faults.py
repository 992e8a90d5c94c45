"""Faults of the network: each kind at exact times, from a seed, and counted."""

from collections import Counter

import pytest

from tests.simulator.fabric_runs import Fixture, played
from weft.contracts.errors import ConfigurationError
from weft.observation.conditions import Report, report
from weft.simulator.network_faults import KINDS, Chances, Cut, NetworkFaultPlan, NetworkFaults, Slowdown
from weft.simulator.network_swarm import swarm_plan

A_TO_B = ("a", "b")


def send_many(fixture: Fixture, number: int = 1000) -> None:
    for each in range(number):
        fixture.at(each / 10, fixture.send, each)


def received(fixture: Fixture) -> list[object]:
    return [message for *_, message in fixture.received]


def hits_of(before: Report, name: str) -> int:
    return report()[name].hits - before[name].hits


def test_messages_are_lost_by_chance() -> None:
    before = report()
    fixture = played(send_many, NetworkFaultPlan(Chances(loss=0.2)))
    lost = fixture.faults.hits["loss"]
    assert 150 < lost < 250
    assert len(received(fixture)) == 1000 - lost
    assert hits_of(before, "fabric: a message was lost") == lost


def test_messages_come_twice_by_chance() -> None:
    before = report()
    fixture = played(send_many, NetworkFaultPlan(Chances(duplication=0.2)))
    times = Counter(received(fixture))
    assert len(times) == 1000
    doubled = sum(count == 2 for count in times.values())
    assert 150 < doubled == fixture.faults.hits["duplication"] < 250
    assert len(received(fixture)) == 1000 + doubled
    assert hits_of(before, "fabric: a message came twice") == doubled


def test_messages_come_late_and_overtake_each_other_by_chance() -> None:
    before = report()
    fixture = played(send_many, NetworkFaultPlan(Chances(delay=0.3, most_delay_s=5.0)))
    assert Counter(received(fixture)) == Counter(range(1000))
    late_s = [when - 2.0 - int(str(message)) / 10 for when, *_, message in fixture.received]
    assert 240 < sum(late > 1e-6 for late in late_s) == fixture.faults.hits["delay"] < 360
    assert 4.5 < max(late_s) <= 5.0
    assert received(fixture) != list(range(1000))
    assert hits_of(before, "fabric: a message overtook an earlier one") > 100


def test_the_second_of_two_is_late() -> None:
    fixture = played(
        lambda fixture: fixture.send(1), NetworkFaultPlan(Chances(duplication=1.0, most_delay_s=5.0))
    )
    first, second = (when for when, *_ in fixture.received)
    assert first == 2.0 < second < 7.0


def test_a_large_message_is_lost_doubled_and_late_too() -> None:
    def play(fixture: Fixture) -> None:
        fixture.send("large", num_bytes=100_000)

    assert not played(play, NetworkFaultPlan(Chances(loss=1.0)), until_s=1e5).received
    plan = NetworkFaultPlan(Chances(duplication=1.0, delay=1.0, most_delay_s=5.0))
    first, second = (when for when, *_ in played(play, plan, until_s=1e5).received)
    assert 20_002.0 - 5.0 < first < second <= 20_007.0  # each has half of the bandwidth, but for at most 5 s


@pytest.mark.parametrize("kind", ["loss", "duplication", "delay"])
def test_no_kind_shifts_another(kind: str) -> None:
    def lost(chances: Chances) -> list[bool]:
        faults = NetworkFaults(NetworkFaultPlan(chances), seed=5)
        drawn = []
        for _ in range(200):
            before = faults.hits["loss"]
            faults.delays("a", "b", 0.0)
            drawn.append(faults.hits["loss"] > before)
        return drawn

    others = {"loss": 0.3, "most_delay_s": 1.0} | {kind: 0.3}
    assert lost(Chances(**others)) == lost(Chances(loss=0.3))


def test_equal_seeds_give_equal_runs_and_others_do_not() -> None:
    plan = NetworkFaultPlan(Chances(0.1, 0.1, 0.1, 0.1, 1.0))
    runs = [played(send_many, plan, seed).received for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_chances_may_be_those_of_one_way_between_two_nodes() -> None:
    def play(fixture: Fixture) -> None:
        fixture.send("there")
        fixture.send("back", source="B", target="A")
        fixture.send("beside", target="C")

    assert received(played(play, NetworkFaultPlan(between={A_TO_B: Chances(loss=1.0)}))) == ["back", "beside"]
    plan = NetworkFaultPlan(Chances(loss=1.0), between={A_TO_B: Chances()})
    assert received(played(play, plan)) == ["there"]


def test_within_a_node_nothing_is_lost() -> None:
    def play(fixture: Fixture) -> None:
        fixture.register("A2", "a")
        fixture.send("within", target="A2")

    assert received(played(play, NetworkFaultPlan(Chances(loss=1.0), cuts=[Cut(None, None)]))) == ["within"]


def test_a_partition_cuts_one_way_from_a_time_to_another() -> None:
    def play(fixture: Fixture) -> None:
        for time_s in (2.999, 3.0, 4.999, 5.0):
            fixture.at(time_s, fixture.send, f"there at {time_s}")
        fixture.at(4.0, fixture.send, "back", 0, "A", "B")

    before = report()
    fixture = played(play, NetworkFaultPlan(cuts=[Cut("a", "b", 3.0, 5.0)]))
    assert received(fixture) == ["there at 2.999", "back", "there at 5.0"]
    assert fixture.faults.hits["cut"] == 2
    assert hits_of(before, "fabric: a message ran into a partition") == 2


def test_a_node_may_be_cut_off_for_all() -> None:
    def play(fixture: Fixture) -> None:
        for source, target in ("AB", "BA", "CB", "AC"):
            fixture.send(source + target, source=source, target=target)

    assert received(played(play, NetworkFaultPlan(cuts=[Cut(None, "b")]))) == ["BA", "AC"]
    assert received(played(play, NetworkFaultPlan(cuts=[Cut("b", None)]))) == ["AB", "CB", "AC"]


@pytest.mark.parametrize("cut", [Cut("a", "b", 5.0, 7.0), Cut("b", "a", 5.0, 7.0)])
def test_a_partition_either_way_breaks_transfers_after_a_silence(cut: Cut) -> None:
    def play(fixture: Fixture) -> None:
        transfer = fixture.fabric.transfer
        fixture.watch("before", transfer("A", "B", 20))
        fixture.watch("during", transfer("A", "B", 200))
        fixture.watch("beside", transfer("A", "C", 40))
        fixture.at(6.0, lambda: fixture.watch("begun in it", transfer("A", "B", 200)))
        fixture.at(7.0, lambda: fixture.watch("begun after it", transfer("A", "B", 20)))

    before = report()
    fixture = played(play, NetworkFaultPlan(cuts=[cut], silence_s=3.0))
    reason = "a partition lies between their nodes"
    # Three share A's card until 5 s, with 50/3 bytes sent of each: then one has it, and is done at 7.333 s.
    assert fixture.ended["before"] == fixture.ended["during"] == (8.0, reason)
    assert fixture.ended["begun in it"] == (9.0, reason)
    assert fixture.ended["beside"][1] == fixture.ended["begun after it"][1] == ""
    assert fixture.faults.hits["cut of a transfer"] == 3
    assert hits_of(before, "fabric: a partition broke a transfer") == 3


def test_transfers_break_by_chance_at_any_of_their_bytes() -> None:
    def play(fixture: Fixture) -> None:
        for number in range(400):
            fixture.at(20.0 * number, transfer, fixture, str(number))

    def transfer(fixture: Fixture, name: str) -> None:
        fixture.watch(name, fixture.fabric.transfer("A", "B", 100))

    before = report()
    fixture = played(play, NetworkFaultPlan(Chances(breaking=0.5)))
    broken = {name: when for name, (when, error) in fixture.ended.items() if error == "it broke halfway"}
    assert 160 < len(broken) == fixture.faults.hits["breaking"] < 240
    assert hits_of(before, "fabric: a transfer broke halfway") == len(broken)
    took_s = sorted(when - 20.0 * int(name) for name, when in broken.items())
    assert 2.0 < took_s[0] < 2.5 < 6.0 < took_s[len(took_s) // 2] < 8.0 < 11.5 < took_s[-1] < 12.0
    assert all(when == 20.0 * int(name) + 12.0 for name, (when, error) in fixture.ended.items() if not error)


def test_a_slowed_node_is_slow_for_a_time() -> None:
    def play(fixture: Fixture) -> None:
        fixture.watch("transfer", fixture.fabric.transfer("A", "C", 100))
        for time_s in (1.0, 4.0, 10.0):
            fixture.at(time_s, fixture.send, f"at {time_s}", 10)

    before = report()
    plan = NetworkFaultPlan(slowdowns=[Slowdown("a", 5.0, 4.0, 9.0), Slowdown("b", 2.0, 100.0)])
    fixture = played(play, plan)
    # Half of the 2 s is on A's side: what leaves in the slow time takes 5 s and 1 s, and 5 s for its 10 bytes.
    assert fixture.received == [
        (4.0, "B", "A", "at 1.0"),
        (13.0, "B", "A", "at 10.0"),
        (15.0, "B", "A", "at 4.0"),
    ]
    assert fixture.ended == {"transfer": (16.0, "")}  # 40 bytes in 4 s, 10 in 5 s, 50 in 5 s
    assert fixture.faults.hits["slowdown"] == 2
    assert hits_of(before, "fabric: the links of a node were slowed") == 2


def test_slowdowns_that_overlap_are_multiplied() -> None:
    plan = NetworkFaultPlan(slowdowns=[Slowdown("a", 5.0, 4.0, 9.0), Slowdown("a", 2.0, 8.0)])
    faults = NetworkFaults(plan)
    assert [faults.slowness("a", time_s) for time_s in (3.0, 4.0, 8.0, 9.0)] == [1.0, 5.0, 10.0, 2.0]
    assert faults.slowness("b", 8.0) == 1.0


ALL = NetworkFaultPlan(Chances(loss=1.0, breaking=1.0), cuts=[Cut("c", "b")], slowdowns=[Slowdown("a", 10.0)])


@pytest.mark.parametrize("healed", [None, ("a", "b")])
def test_faults_heal_among_all_or_among_some(healed: tuple[str, ...] | None) -> None:
    plan = NetworkFaultPlan(
        ALL.chances, cuts=ALL.cuts, slowdowns=ALL.slowdowns, heals_at_s=50.0, healed=healed
    )

    def play(fixture: Fixture) -> None:
        for time_s in (10.0, 50.0):
            for source, target in ("AB", "CB", "CD", "AD"):
                fixture.at(time_s, fixture.send, source + target, 0, target, source)
        fixture.at(50.0, lambda: fixture.watch("transfer", fixture.fabric.transfer("A", "B", 10)))

    fixture = played(play, plan)
    assert received(fixture) == (["AB", "CB", "CD", "AD"] if healed is None else ["AB"])
    assert fixture.ended == {"transfer": (53.0, "")}


def test_without_faults_messages_ask_nobody() -> None:
    assert NetworkFaults().spares_messages
    assert NetworkFaults(NetworkFaultPlan(Chances(breaking=1.0), slowdowns=ALL.slowdowns)).spares_messages
    assert not NetworkFaults(NetworkFaultPlan(between={A_TO_B: Chances(loss=0.1)})).spares_messages
    assert not NetworkFaults(NetworkFaultPlan(cuts=ALL.cuts)).spares_messages


def test_a_swarm_leaves_kinds_out_and_is_one_of_its_seed() -> None:
    nodes = ["a", "b", "c", "d"]
    plans = [swarm_plan(seed, nodes, 100.0, 60.0, ("a",)) for seed in range(200)]
    assert plans[7] == swarm_plan(7, nodes, 100.0, 60.0, ("a",))
    for kind in ("loss", "duplication", "delay", "breaking"):
        on = [getattr(plan.chances, kind) for plan in plans if getattr(plan.chances, kind)]
        assert 60 < len(on) < 140
        assert max(on) > 10 * min(on)
    for lasting in ([plan.cuts for plan in plans], [plan.slowdowns for plan in plans]):
        assert 60 < sum(bool(each) for each in lasting) < 140
        assert {len(each) for each in lasting} > {1, 2, 3}
    cuts = [cut for plan in plans for cut in plan.cuts]
    assert {None, *nodes} == {cut.source for cut in cuts} == {cut.target for cut in cuts}
    assert all(0.0 <= cut.from_s < 100.0 for cut in cuts)
    assert all((plan.heals_at_s, plan.healed) == (60.0, ("a",)) for plan in plans)


def test_a_swarm_of_one_node_or_none_has_nothing_to_cut() -> None:
    assert not any(swarm_plan(seed, ["a"], 1.0).cuts for seed in range(20))
    assert not any(swarm_plan(seed, [], 1.0).slowdowns for seed in range(20))


def test_some_tens_of_seeds_hit_every_kind() -> None:
    def play(fixture: Fixture) -> None:
        for number in range(20):
            fixture.at(5.0 * number, fixture.send, number)
            fixture.at(5.0 * number, lambda: fixture.watch("any", fixture.fabric.transfer("A", "B", 20)))

    hits = Counter[str]()
    for seed in range(60):
        hits.update(played(play, swarm_plan(seed, ["a", "b"], 100.0), seed, until_s=200.0).faults.hits)
    assert hits.keys() == KINDS.keys()
    assert min(hits.values()) > 0


@pytest.mark.parametrize("values", [{"loss": -0.1}, {"breaking": 1.1}, {"delay": float("nan")}])
def test_chances_that_cannot_be_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=f"the chance of {next(iter(values))} is"):
        Chances(**values)


def test_delays_and_times_that_cannot_be_are_refused() -> None:
    for most_delay_s in (0.0, -1.0, float("inf")):
        with pytest.raises(ConfigurationError, match="most_delay_s is"):
            Chances(delay=0.1, most_delay_s=most_delay_s)
    with pytest.raises(ConfigurationError, match=r"a cut lasts from 2.0 s to 1.0 s"):
        Cut("a", "b", 2.0, 1.0)
    with pytest.raises(ConfigurationError, match=r"a slowdown lasts from -1.0 s"):
        Slowdown("a", 2.0, -1.0)
    with pytest.raises(ConfigurationError, match=r"slowed by 0.5"):
        Slowdown("a", 0.5)
