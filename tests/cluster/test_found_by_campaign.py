"""What the fault campaign found, each as small as it can be told."""

import asyncio

from tests.cluster.small_cluster import SmallCluster, play
from weft.cluster.controllers import RollingRestart


def test_a_rolling_restart_of_idle_replicas_comes_to_its_end() -> None:
    """They had drained and were up again before the controller looked, which then began anew."""

    async def scenario(cluster: SmallCluster) -> None:
        restart = RollingRestart(cluster.replicas, drain_s=10.0)
        cluster.cluster.controllers.append(restart)
        await asyncio.sleep(5.0)
        assert restart.is_over
        assert len(cluster.made) == 4

    play(scenario)
