"""Processes that are killed and stopped while they answer: no client may notice more than a pause."""

import asyncio
import signal

import pytest

from tests.cluster.live.live_cluster import ALERT, LiveCluster, play, some, until


@pytest.mark.parametrize("whole", [False, True])
def test_a_replica_is_killed_in_the_middle_of_streams(whole: bool) -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(6, name="watched"))
        await live.told(5)
        live.ask(*some(2), whole=whole)
        live.signal("replica-0", signal.SIGKILL)
        await live.answered()
        assert [(name, reason) for _, name, reason in live.cluster.losses] == [
            ("replica-0", "its process ended by signal 9 (SIGKILL)")
        ]

    play(scenario)


def test_a_stopped_replica_is_lost_by_its_silence_and_killed() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(4))
        await live.told(5)
        live.signal("replica-1", signal.SIGSTOP)
        await live.answered()
        assert "replica-1" in live.lost

    play(scenario, timing=ALERT)


def test_nothing_is_lost_by_a_short_stop() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(4))
        await live.told(5)
        live.signal("replica-0", signal.SIGSTOP)
        await asyncio.sleep(0.5)
        live.ask(*some(2, name="late"))
        live.signal("replica-0", signal.SIGCONT)
        await live.answered()
        assert live.lost == []

    play(scenario)


def test_a_replica_is_killed_while_it_starts() -> None:
    async def scenario(live: LiveCluster) -> None:
        await until(lambda: live.backend.process_id("replica-0") is not None)
        live.signal("replica-0", signal.SIGKILL)
        await live.cluster.up()
        live.ask(*some(4))
        await live.answered()
        assert live.lost == ["replica-0"]

    play(scenario, is_up=False)


def test_requests_wait_where_all_replicas_are_killed() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(6))
        await live.told(5)
        for name in live.names:
            live.signal(name, signal.SIGKILL)
        await live.answered()
        assert sorted(live.lost) == live.names

    play(scenario)


def test_replicas_are_killed_again_and_again() -> None:
    async def scenario(live: LiveCluster) -> None:
        for turn in range(4):
            live.ask(*some(4, name=f"turn{turn}-"))
            await live.told(10)
            live.signal(f"replica-{turn % 2}", signal.SIGKILL)
            await live.answered()
            await until(live.is_whole)
        assert live.lost == ["replica-0", "replica-1"] * 2

    play(scenario)
