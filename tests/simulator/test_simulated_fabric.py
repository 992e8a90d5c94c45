"""Messages and transfers between actors, at exact times; 2 s and 10 bytes/s between nodes, 0.5 s and 100 within."""

import asyncio

import pytest

from tests.simulator.fabric_runs import Fixture, played
from tests.simulator.toy_network import star
from weft.contracts.errors import ConfigurationError, ConnectionLost
from weft.contracts.execution import Fabric
from weft.simulator.simulated_fabric import MOST_DATAGRAM_BYTES, SimulatedFabric
from weft.simulator.virtual_time import run


def test_a_message_takes_the_latency_and_its_bytes_over_the_bandwidth() -> None:
    def play(fixture: Fixture) -> None:
        fixture.register("A2", "a")
        fixture.send("small")
        fixture.send("sized", num_bytes=30)
        fixture.send("within", num_bytes=30, target="A2")

    assert played(play).received == [
        (0.8, "A2", "A", "within"),
        (2.0, "B", "A", "small"),
        (5.0, "B", "A", "sized"),
    ]


def test_a_large_message_shares_the_network_and_a_small_one_does_not() -> None:
    def play(fixture: Fixture) -> None:
        fixture.send("large", num_bytes=MOST_DATAGRAM_BYTES + 1)
        fixture.watch("transfer", fixture.fabric.transfer("A", "C", 100))
        fixture.send("small", num_bytes=10)

    fixture = played(play)
    # The transfer has half of A's card for 20 s; the message 6,553.7 s of all of it, and 10 s more.
    assert fixture.ended == {"transfer": (22.0, "")}
    assert fixture.received == [(3.0, "B", "A", "small"), (6565.7, "B", "A", "large")]


def test_messages_of_one_actor_to_another_keep_their_order() -> None:
    def play(fixture: Fixture) -> None:
        for number in range(50):
            fixture.send(number)

    assert [message for *_, message in played(play).received] == list(range(50))


def test_a_message_goes_to_whoever_has_the_name_when_it_comes() -> None:
    def play(fixture: Fixture) -> None:
        fixture.send("to the old one")
        fixture.at(0.5, fixture.fabric.unregister, "B")
        fixture.at(0.6, fixture.fabric.unregister, "B")
        fixture.at(0.7, fixture.send, "to nobody, so far")
        fixture.at(2.5, fixture.register, "B", "c")
        fixture.at(3.0, fixture.send, "to the new one")

    fixture = played(play)
    assert [message for *_, message in fixture.received] == ["to nobody, so far", "to the new one"]
    assert fixture.fabric.num_undelivered == 1


def test_a_message_goes_to_the_node_that_its_target_is_on_now() -> None:
    def play(fixture: Fixture) -> None:
        fixture.fabric.unregister("B")
        fixture.send("to nobody")
        fixture.at(10.0, fixture.register, "B", "a")
        fixture.at(20.0, fixture.send, "moved")

    assert played(play).received == [(20.5, "B", "A", "moved")]


def test_nothing_comes_of_what_an_actor_sends_that_is_gone() -> None:
    def play(fixture: Fixture) -> None:
        fixture.send("sent in time")
        fixture.fabric.unregister("A")
        fixture.send("sent too late")
        fixture.send("to somebody unheard of", source="B", target="X")

    fixture = played(play)
    assert [message for *_, message in fixture.received] == ["sent in time"]
    assert fixture.fabric.num_undelivered == 2


def test_transfers_share_what_they_pass_with_each_other() -> None:
    def play(fixture: Fixture) -> None:
        transfer = fixture.fabric.transfer
        fixture.watch("one", transfer("A", "B", 100))
        fixture.watch("other", transfer("A", "C", 50))
        fixture.watch("back", transfer("B", "A", 100))
        fixture.watch("nothing", transfer("C", "D", 0))

    assert played(play).ended == {
        "nothing": (2.0, ""),
        "other": (12.0, ""),
        "back": (12.0, ""),
        "one": (17.0, ""),
    }


def test_a_transfer_given_up_leaves_its_share_to_others() -> None:
    def play(fixture: Fixture) -> None:
        fixture.watch("stays", fixture.fabric.transfer("A", "B", 100))
        given_up = fixture.fabric.transfer("A", "C", 100)
        fixture.watch("given up", given_up)
        fixture.at(4.0, given_up.cancel)

    # 20 bytes in the first 4 s, then 80 in 8 s.
    assert played(play).ended == {"given up": (4.0, "cancelled"), "stays": (14.0, "")}


def test_what_an_actor_was_moving_breaks_when_it_is_gone() -> None:
    def play(fixture: Fixture) -> None:
        transfer = fixture.fabric.transfer
        fixture.watch("from it", transfer("A", "B", 100))
        fixture.watch("to it", transfer("C", "A", 100))
        fixture.watch("of others", transfer("D", "B", 100))
        fixture.at(3.0, fixture.fabric.unregister, "A")

    assert played(play).ended == {
        "from it": (5.0, "'A' is gone"),
        "to it": (5.0, "'A' is gone"),
        "of others": (13.5, ""),  # 15 bytes in the first 3 s, then 85 in 8.5 s
    }


def test_a_transfer_with_an_actor_that_is_gone_is_refused_when_the_news_is_back() -> None:
    def play(fixture: Fixture) -> None:
        fixture.fabric.unregister("B")
        fixture.watch("refused", fixture.fabric.transfer("A", "B", 100))

    assert played(play).ended == {"refused": (4.0, "'B' is gone")}


def test_the_error_of_a_lost_connection_names_both_ends() -> None:
    async def main() -> None:
        fixture: Fabric = SimulatedFabric(star())
        assert isinstance(fixture, SimulatedFabric)
        for name in "AB":
            fixture.register(name, name.lower(), lambda source, message: None)
        fixture.unregister("B")
        with pytest.raises(ConnectionLost, match="from 'A' to 'B' is lost: 'B' is gone") as lost:
            await fixture.transfer("A", "B", 1)
        assert (lost.value.source, lost.value.target) == ("A", "B")

    run(main())


def test_what_cannot_be_is_refused_at_once() -> None:
    def play(fixture: Fixture) -> None:
        fabric = fixture.fabric
        with pytest.raises(ConfigurationError, match="actor 'A' is registered already, on node 'a'"):
            fixture.register("A", "b")
        with pytest.raises(ConfigurationError, match="node 'x' is unknown"):
            fixture.register("X", "x")
        with pytest.raises(ConfigurationError, match="actor 'X' is unknown"):
            fixture.send("hello", source="X")
        with pytest.raises(ConfigurationError, match="actor 'X' is unknown"):
            fabric.transfer("A", "X", 1)
        with pytest.raises(ConfigurationError, match="'A' moves -1 bytes"):
            fabric.transfer("A", "B", -1)
        fixture.send("the path is known")
        with pytest.raises(ConfigurationError, match="'A' moves -1 bytes"):
            fixture.send("hello", num_bytes=-1)
        with pytest.raises(ConfigurationError, match="'A' moves -1 bytes"):
            fabric.collective("all_reduce", ["A", "B"], -1)

    assert len(played(play).received) == 1


def test_a_receiver_that_fails_is_found_out() -> None:
    async def main() -> None:
        fabric = SimulatedFabric(star())
        fabric.register("A", "a", lambda source, message: None)
        fabric.register("B", "b", lambda source, message: 1 / 0)
        fabric.send("A", "B", "hello")
        await asyncio.sleep(3.0)

    with pytest.raises(Exception, match="ZeroDivisionError"):
        run(main())
