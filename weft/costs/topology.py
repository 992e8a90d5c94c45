"""Where a plan puts its devices in a cluster, and what messages between them take.

Times are those of the alpha-beta model: a latency per hop and a time per byte. All-reduce: the better of a ring
(Patarasuk and Yuan, J. Parallel Distrib. Comput. 69, 2009, section 3) and of a pipelined binary tree (Sanders et al.,
Parallel Computing 35, 2009). All-gather: a ring (Thakur et al., Int. J. High Perform. Comput. Appl. 19, 2005,
section 4.1), and so is the passing on of keys and values. All-to-all: every device sends to all others at once, within
and between nodes.
"""

from dataclasses import dataclass
from math import ceil, log2
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.hardware.cluster import Cluster, Link
from weft.model_specs.operations import Axis, Communication, Operation, OperationKind
from weft.model_specs.plan import Plan

COLLECTIVE_START_S = 6.6e-6
"""To begin any communication: NVIDIA NCCL 2.19, src/graph/tuning.cc, baseLat, ring, LL."""


class Rate(NamedTuple):
    """Seconds that a communication takes whatever its size, and seconds per byte of it."""

    start_s: float
    byte_s: float


@dataclass(frozen=True, slots=True)
class Topology:
    """A plan on a cluster; raises `ConfigurationError` where there are too few devices."""

    cluster: Cluster
    plan: Plan

    def __post_init__(self) -> None:
        if self.plan.num_devices > self.cluster.num_devices:
            raise ConfigurationError(
                f"the plan needs {self.plan.num_devices} devices (tp {self.plan.tp} x cp {self.plan.cp} x pp "
                f"{self.plan.pp} x dp {self.plan.dp}) and the cluster has {self.cluster.num_devices}; "
                "lower an axis or add devices"
            )

    def seconds(self, operation: Operation) -> float:
        """From the beginning of a communication to its end; 0 for any other operation."""
        communication = operation.communication
        if communication is None or communication.num_ranks == 1:
            return 0.0
        ranks, num_bytes = communication.num_ranks, communication.num_bytes
        if operation.kind is OperationKind.ALL_REDUCE:
            return COLLECTIVE_START_S + all_reduce_s(self.link(operation, communication), ranks, num_bytes)
        return max(rate.start_s + rate.byte_s * num_bytes for rate in self.rates(operation, communication))

    def rates(self, operation: Operation, communication: Communication) -> tuple[Rate, ...]:
        """Of all but an all-reduce: it takes what the slowest of these does. One per link in use, two at most."""
        if operation.kind is OperationKind.ALL_TO_ALL:
            return self._all_to_all_rates(communication)
        link, ranks = self.link(operation, communication), communication.num_ranks
        steps, parts = (ranks - 1, ranks) if operation.kind is OperationKind.ALL_GATHER else (1, 1)
        return (Rate(COLLECTIVE_START_S + steps * link.latency_s, steps / parts / link.bandwidth),)

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
        if communication.axis is Axis.CONTEXT:
            return self.cluster.link_across(self.plan.stage_devices)
        return self._handover_link(operation.stage)

    def _handover_link(self, stage: int) -> Link:
        """Between nodes where any device of the stage has its peer in another one."""
        node_devices, width = self.cluster.node.num_devices, self.plan.stage_devices
        nodes = (
            (rank // node_devices, (rank + width) // node_devices)
            for rank in (stage * width, stage * width + width - 1)
        )
        crosses = any(here != there for here, there in nodes)
        return self.cluster.link_across(self.cluster.num_devices if crosses else 1)

    def _all_to_all_rates(self, communication: Communication) -> tuple[Rate, ...]:
        ranks = communication.num_ranks
        return tuple(
            Rate(COLLECTIVE_START_S + link.latency_s, peers / ranks / link.bandwidth)
            for link, peers in self._peers(communication)
        )

    def _all_to_all_bytes(self, communication: Communication) -> dict[str, float]:
        share = communication.num_bytes / communication.num_ranks
        return {link.name: share * peers for link, peers in self._peers(communication)}

    def _peers(self, communication: Communication) -> list[tuple[Link, int]]:
        """How many of the others are reached over each link."""
        local = self._local_ranks(communication.axis)
        reached = [(self.cluster.node.device_link, local - 1)] if local > 1 else []
        if communication.num_ranks > local:
            assert self.cluster.node_link is not None, "more than one node has a link between nodes"
            reached.append((self.cluster.node_link, communication.num_ranks - local))
        return reached

    def _local_ranks(self, axis: Axis) -> int:
        """Ranks along an axis that share a node with the first: of `ep`, devices of one stage over all copies."""
        node_devices, stage = self.cluster.node.num_devices, self.plan.stage_devices
        if axis is Axis.CONTEXT:
            return min(self.plan.cp, max(1, node_devices // self.plan.tp))
        copy = stage * self.plan.pp
        if node_devices < copy:
            return min(stage, node_devices)
        return stage * min(self.plan.dp, node_devices // copy)


def all_reduce_s(link: Link, num_ranks: int, num_bytes: int) -> float:
    """Of a buffer of so many bytes on each rank, by the faster algorithm."""
    ring_bytes = 2 * (num_ranks - 1) / num_ranks * num_bytes
    ring = 2 * (num_ranks - 1) * link.latency_s + ring_bytes / link.bandwidth
    tree = 2 * ceil(log2(num_ranks)) * link.latency_s + 2 * num_bytes / link.bandwidth
    return min(ring, tree)
