"""The process of a replica that serves a model, started as `weft/cluster/process_main.py` says."""

import asyncio
from collections.abc import Callable
from typing import Any

from weft.cluster.in_process import LocalActor
from weft.cluster.messages import Frame
from weft.cluster.process_main import run_replica
from weft.cluster.timing import Timing
from weft.llm.model_replica import ModelReplica
from weft.llm.replica_plan import ReplicaPlan


def described(plan: ReplicaPlan, timing: Timing) -> dict[str, Any]:
    """What the process is told."""
    times = {name: getattr(timing, name) for name in Timing.__slots__}
    return {"plan": plan.as_json(), "timing": times}


async def make(
    _: str, incarnation: int, send: Callable[[Frame], object], description: dict[str, Any]
) -> LocalActor:
    """The actor that `described` describes."""
    plan, timing = ReplicaPlan(**description["plan"]), Timing(**description["timing"])
    llm = await asyncio.to_thread(plan.load)
    return ModelReplica(llm, incarnation, send, timing)


if __name__ == "__main__":
    run_replica(make)
