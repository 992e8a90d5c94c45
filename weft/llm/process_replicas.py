"""Replicas of a model, each in a process of its own on this machine."""

import sys

from weft.cluster.processes import Processes
from weft.cluster.timing import Timing
from weft.llm.replica_plan import ReplicaPlan
from weft.llm.replica_process import described

COMMAND = (sys.executable, "-m", "weft.llm.replica_process")


def process_replicas(plan: ReplicaPlan, timing: Timing) -> Processes:
    """Where replicas of a plan run; see `Processes`."""
    return Processes(COMMAND, described(plan, timing))
