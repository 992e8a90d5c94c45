"""Replicas of a model as actors of Ray."""

from weft.cluster.ray_backend import RayReplicas
from weft.cluster.ray_connection import RayConnection
from weft.cluster.timing import Timing
from weft.llm.replica_plan import ReplicaPlan
from weft.llm.replica_process import described, make


class RayModelReplicas(RayReplicas):
    """Replicas of a plan; see `RayReplicas`. `connection`: this process's, which ends with them."""

    def __init__(self, connection: RayConnection, plan: ReplicaPlan, timing: Timing) -> None:
        self._connection = connection
        super().__init__(make, described(plan, timing))

    async def close(self) -> None:
        await super().close()
        self._connection.close()
