"""Requests through a router, with replicas that come and go."""

import asyncio

import pytest

from tests.cluster.small_cluster import SmallCluster, play
from tests.engine.small_engine import ask
from weft.contracts.events import Status


def test_every_request_gets_what_it_would_have_alone() -> None:
    async def scenario(cluster: SmallCluster) -> None:
        requests = [ask(f"r{i}", 3 + i, 5 + i % 3, temperature=1.0) for i in range(12)]
        clients = [cluster.ask(request) for request in requests]
        await asyncio.sleep(60.0)
        assert [client.told() for client in clients] == [cluster.text(request) for request in requests]
        assert {client.end.status for client in clients} == {Status.FINISHED}
        cluster.check()

    play(scenario)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("after_s", [0.5, 1.5, 4.5, 6.5])
def test_a_stream_goes_on_where_its_replica_crashes(after_s: float, whole: bool) -> None:
    async def scenario(cluster: SmallCluster) -> None:
        requests = [ask(f"r{i}", 9, 8, n=2, temperature=1.0) for i in range(4)]
        clients = [cluster.ask(request, whole=whole) for request in requests]
        await asyncio.sleep(after_s)
        cluster.crash("replica-0")
        await asyncio.sleep(100.0)
        for request, client in zip(requests, clients, strict=True):
            for sample in range(2):
                assert client.told(sample) == cluster.text(request, sample)
            assert (client.end.status, client.end.output_tokens) == (Status.FINISHED, 16)
        assert [name for _, name, _ in cluster.cluster.losses] == ["replica-0"]
        assert cluster.router.num_open == 0

    play(scenario)


def test_a_stream_goes_on_where_its_replica_is_killed_on_purpose() -> None:
    async def scenario(cluster: SmallCluster) -> None:
        request = ask("a", 9, 8, n=2, temperature=1.0)
        client = cluster.ask(request)
        await asyncio.sleep(4.5)
        membership = cluster.router.membership
        membership.lose(membership.members["replica-0"], "on purpose", is_wanted=True)
        await asyncio.sleep(100.0)
        assert [client.told(sample) for sample in range(2)] == [
            cluster.text(request, sample) for sample in range(2)
        ]
        assert [name for _, name, _ in cluster.cluster.losses] == ["replica-0"]

    play(scenario)
