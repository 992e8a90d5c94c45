"""What the fault campaign found, each as small as it can be told."""

import asyncio

import pytest

from tests.cluster.small_cluster import SmallCluster, play
from tests.engine.small_engine import ask
from weft.cluster.controllers import RollingRestart
from weft.cluster.member import Phase
from weft.cluster.messages import Ended, Report
from weft.contracts.events import Status
from weft.observation.faults import FailNth, armed


def test_a_rolling_restart_of_idle_replicas_comes_to_its_end() -> None:
    """They had drained and were up again before the controller looked, which then began anew."""

    async def scenario(cluster: SmallCluster) -> None:
        restart = RollingRestart(cluster.replicas, drain_s=10.0)
        cluster.cluster.controllers.append(restart)
        await asyncio.sleep(5.0)
        assert restart.is_over
        assert len(cluster.made) == 4

    play(scenario)


def test_a_replica_that_is_lost_while_it_stops_is_started_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the former incarnation had stopped at last, the new one was taken for down, and left alone."""

    async def scenario(cluster: SmallCluster) -> None:
        async def slowly(_: str) -> None:
            await asyncio.sleep(5.0)

        member = cluster.router.membership.members["replica-0"]
        monkeypatch.setattr(cluster.backend, "stop", slowly)
        cluster.router.drain("replica-0")
        await asyncio.sleep(1.0)
        assert member.phase is Phase.STOPPING
        cluster.cluster.went_away("replica-0", member.incarnation, "it crashed")
        await asyncio.sleep(20.0)
        assert (member.phase, member.incarnation) == (Phase.UP, 2)

    play(scenario)


def test_an_id_that_is_used_again_at_once_has_nothing_of_the_request_before() -> None:
    """The end of the one that was cancelled was not told yet, and passed for that of the next."""

    async def scenario(cluster: SmallCluster) -> None:
        before, after = ask("r", 5, 6), ask("r", 9, 6)
        cluster.ask(before)
        await asyncio.sleep(2.5)
        cluster.router.cancel("r")
        client = cluster.ask(after)
        await asyncio.sleep(60.0)
        assert (client.told(), client.end.status) == (cluster.text(after), Status.FINISHED)

    play(scenario, num_replicas=1)


def test_an_output_that_goes_on_elsewhere_can_be_ended_before_it_has_run_there() -> None:
    """The contract of events knew no sequence that finishes while it waits for the first time."""

    async def scenario(cluster: SmallCluster) -> None:
        clients = [cluster.ask(ask(f"r{i}", 9, 30)) for i in range(6)]
        await asyncio.sleep(6.5)
        assert len(clients[0].told()) >= 2
        cluster.crash("replica-0")
        await asyncio.sleep(3.0)
        assert cluster.router.stop_output("r0", 0, 2)
        await asyncio.sleep(200.0)
        assert {client.end.status for client in clients} == {Status.FINISHED}

    play(scenario, max_running=2)


def test_an_id_is_used_again_while_news_of_the_request_before_are_on_their_way() -> None:
    """Both were a first attempt, and what was said of one was taken for word of the other."""

    async def scenario(cluster: SmallCluster) -> None:
        loop, deliver = asyncio.get_running_loop(), cluster.backend.receive
        cluster.backend.receive = lambda name, frame: loop.call_later(0.2, deliver, name, frame)
        cluster.ask(ask("r", 5, 6))
        await asyncio.sleep(1.1)
        after = ask("r", 9, 6)
        cluster.router.cancel("r")
        client = cluster.ask(after)
        await asyncio.sleep(60.0)
        assert (client.told(), client.end.status) == (cluster.text(after), Status.FINISHED)
        assert not cluster.cluster.losses

    play(scenario, num_replicas=1)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_output_whose_last_token_failed_ends_with_it_elsewhere(call: int) -> None:
    """The token was taken for one like others, and the output went on behind its end."""

    async def scenario(cluster: SmallCluster) -> None:
        end = cluster.text(ask("r", 6, 8))[6]
        request = ask("r", 6, 8, stop_token_ids=(end,))
        client = cluster.ask(request)
        await asyncio.sleep(60.0)
        assert client.told() == cluster.text(request)

    with armed(FailNth("pool.publish", call)):
        play(scenario)


def test_a_replica_that_speaks_nonsense_is_lost_and_its_request_goes_on() -> None:
    """What was no news stopped the router's callback; an end that nobody had asked for reached the client."""

    async def scenario(cluster: SmallCluster) -> None:
        nonsense = [Report(("gibberish",)), Report((Ended("r", 2, Status.CANCELLED, "so be it", 2),))]  # type: ignore[arg-type]
        request = ask("r", 6, 8)
        client = cluster.ask(request)
        for message in nonsense:
            await asyncio.sleep(3.0)
            replica = next(each for each in cluster.replicas.values() if each.driver.load().num_running)
            replica._link.post(message)
        await asyncio.sleep(60.0)
        assert (client.told(), client.end.status) == (cluster.text(request), Status.FINISHED)
        assert len(cluster.cluster.losses) == 2

    play(scenario)


def test_a_request_that_its_client_ends_while_it_waits_for_a_replica_is_over() -> None:
    """It stayed among those that wait, and was given to the next replica, or to none and then failed."""

    async def scenario(cluster: SmallCluster) -> None:
        client = cluster.ask(ask("r", 6, 8))
        await asyncio.sleep(4.5)
        (replica,) = cluster.router.membership.members.values()
        cluster.cluster.went_away("replica-0", replica.incarnation, "it crashed")
        assert cluster.router.num_stranded == 1
        assert cluster.router.stop_output("r", 0, 2)
        assert (client.end.status, cluster.router.num_stranded) == (Status.FINISHED, 0)
        await asyncio.sleep(90.0)
        cluster.check()
        assert replica.books.num_outstanding == 0

    play(scenario, num_replicas=1)
