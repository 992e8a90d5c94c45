"""Where a plan puts its devices in a cluster, and what messages between them take.

Times are those of the alpha-beta model: a latency per hop and a time per byte. All-reduce: the better of a ring
(Patarasuk and Yuan, J. Parallel Distrib. Comput. 69, 2009, section 3) and of a pipelined binary tree (Sanders et al.,
Parallel Computing 35, 2009). All-gather: a ring (Thakur et al., Int. J. High Perform. Comput. Appl. 19, 2005,
section 4.1). All-to-all: every device sends to all others at once, within and between nodes.
"""

from dataclasses import dataclass
from math import ceil, log2

from weft.contracts.errors import ConfigurationError
from weft.hardware.cluster import Cluster, Link
from weft.model_specs.operations import Axis, Communication, Operation, OperationKind
from weft.model_specs.plan import Plan

COLLECTIVE_START_S = 6.6e-6
"""To begin any communication: NVIDIA NCCL 2.19, src/graph/tuning.cc, baseLat, ring, LL."""


@dataclass(frozen=True, slots=True)
class Topology:
    """A plan on a cluster; raises `ConfigurationError` where there are too few devices."""

    cluster: Cluster
    plan: Plan

    def __post_init__(self) -> None:
        if self.plan.num_devices > self.cluster.num_devices:
            raise ConfigurationError(
                f"the plan needs {self.plan.num_devices} devices (tp {self.plan.tp} x pp {self.plan.pp} x dp "
                f"{self.plan.dp}) and the cluster has {self.cluster.num_devices}; lower an axis or add devices"
            )

    def seconds(self, operation: Operation) -> float:
        """From the beginning of a communication to its end; 0 for any other operation."""
        communication = operation.communication
        if communication is None or communication.num_ranks == 1:
            return 0.0
        ranks, num_bytes = communication.num_ranks, communication.num_bytes
        if operation.kind is OperationKind.ALL_TO_ALL:
            return COLLECTIVE_START_S + self._all_to_all_s(communication)
        link = self.link(operation, communication)
        if operation.kind is OperationKind.ALL_REDUCE:
            return COLLECTIVE_START_S + all_reduce_s(link, ranks, num_bytes)
        if operation.kind is OperationKind.ALL_GATHER:
            return COLLECTIVE_START_S + all_gather_s(link, ranks, num_bytes)
        return COLLECTIVE_START_S + link.seconds(num_bytes)

    def link_bytes(self, operation: Operation) -> dict[str, float]:
        """By link, what one device sends."""
        communication = operation.communication
        if communication is None or communication.num_ranks == 1:
            return {}
        ranks, num_bytes = communication.num_ranks, communication.num_bytes
        if operation.kind is OperationKind.ALL_TO_ALL:
            return self._all_to_all_bytes(communication)
        passes = {
            OperationKind.ALL_REDUCE: 2 * (ranks - 1) / ranks,
            OperationKind.ALL_GATHER: (ranks - 1) / ranks,
        }
        return {self.link(operation, communication).name: num_bytes * passes.get(operation.kind, 1.0)}

    def link(self, operation: Operation, communication: Communication) -> Link:
        """The slowest link that an all-reduce, an all-gather or a send passes."""
        if communication.axis is Axis.TENSOR:
            return self.cluster.link_across(self.plan.tp)
        return self._handover_link(operation.stage)

    def _handover_link(self, stage: int) -> Link:
        """Between nodes where any device of the stage has its peer in another one."""
        node_devices, tp = self.cluster.node.num_devices, self.plan.tp
        nodes = (
            (rank // node_devices, (rank + tp) // node_devices) for rank in (stage * tp, stage * tp + tp - 1)
        )
        crosses = any(here != there for here, there in nodes)
        return self.cluster.link_across(self.cluster.num_devices if crosses else 1)

    def _all_to_all_s(self, communication: Communication) -> float:
        sent = self._all_to_all_bytes(communication)
        links = [link for link in (self.cluster.node.device_link, self.cluster.node_link) if link is not None]
        used = [link for link in links if link.name in sent]
        return max(link.seconds(sent[link.name]) for link in used)

    def _all_to_all_bytes(self, communication: Communication) -> dict[str, float]:
        ranks, local = communication.num_ranks, self._local_ranks()
        share = communication.num_bytes / ranks
        sent = {self.cluster.node.device_link.name: share * (local - 1)} if local > 1 else {}
        if ranks > local:
            assert self.cluster.node_link is not None, "more than one node has a link between nodes"
            sent[self.cluster.node_link.name] = share * (ranks - local)
        return sent

    def _local_ranks(self) -> int:
        """Devices of one stage, over all copies, that share a node with the first."""
        node_devices, tp, copy = self.cluster.node.num_devices, self.plan.tp, self.plan.tp * self.plan.pp
        if node_devices < copy:
            return min(tp, node_devices)
        return tp * min(self.plan.dp, node_devices // copy)


def all_reduce_s(link: Link, num_ranks: int, num_bytes: int) -> float:
    """Of a buffer of so many bytes on each rank, by the faster algorithm."""
    ring_bytes = 2 * (num_ranks - 1) / num_ranks * num_bytes
    ring = 2 * (num_ranks - 1) * link.latency_s + ring_bytes / link.bandwidth
    tree = 2 * ceil(log2(num_ranks)) * link.latency_s + 2 * num_bytes / link.bandwidth
    return min(ring, tree)


def all_gather_s(link: Link, num_ranks: int, num_bytes: int) -> float:
    """Until each rank has the whole of so many bytes."""
    steps = num_ranks - 1
    return steps * link.latency_s + steps / num_ranks * num_bytes / link.bandwidth
