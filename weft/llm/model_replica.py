"""A model as an actor of a cluster: the same wherever it runs."""

import asyncio
from collections.abc import Callable

from weft.cluster.in_process import InProcess, LocalActor
from weft.cluster.inference_replica import InferenceReplica, Reporter
from weft.cluster.messages import Frame
from weft.cluster.timing import Timing
from weft.engine.reporting_driver import ReportingDriver
from weft.llm.async_llm import AsyncLLM
from weft.llm.replica_plan import ReplicaPlan


class ModelReplica(InferenceReplica):
    """An `AsyncLLM`'s model under a router's orders."""

    def __init__(
        self, llm: AsyncLLM, incarnation: int, send: Callable[[Frame], object], timing: Timing
    ) -> None:
        def make_driver(reporter: Reporter) -> ReportingDriver:
            return ReportingDriver(llm.config, llm.executor, llm.log, reporter.report, reporter.stopped)

        self.llm = llm
        super().__init__(incarnation, make_driver, llm.fingerprint, send, timing, llm.held, llm.is_held)


class LocalReplicas(InProcess):
    """Replicas on this event loop, each with weights and threads of its own: for tests, and where no other process can
    be. Nothing but their engines is apart."""

    def __init__(self, plan: ReplicaPlan, timing: Timing) -> None:
        super().__init__(self._load)
        self._plan, self._timing = plan, timing
        self._loaded: list[AsyncLLM] = []

    async def _load(self, name: str, incarnation: int, send: Callable[[Frame], object]) -> LocalActor:
        llm = await asyncio.to_thread(self._plan.load)
        self._loaded.append(llm)
        return ModelReplica(llm, incarnation, send, self._timing)

    async def close(self) -> None:
        """End the threads of all that were ever loaded."""
        for llm in self._loaded:
            await llm.close()
