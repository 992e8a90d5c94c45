"""The process of a replica that computes nothing, and whose engine gets nowhere between SIGUSR1 and SIGUSR2."""

import asyncio
import signal
from collections.abc import Callable

from weft.cluster.hosting import Description
from weft.cluster.inference_replica import InferenceReplica, Reporter
from weft.cluster.messages import Frame
from weft.cluster.process_main import run_replica
from weft.cluster.timing import Timing
from weft.contracts.steps import Step, StepResult
from weft.engine.reporting_driver import ReportingDriver
from weft.measurement.null_replica import null_config
from weft.simulator.null_executor import NullExecutor

WEDGE, GO_ON = signal.SIGUSR1, signal.SIGUSR2


class FaultyExecutor(NullExecutor):
    """Its steps do not end while it is wedged."""

    def __init__(self, step_s: float) -> None:
        super().__init__(step_s=step_s)
        self._may_end = asyncio.Event()
        self.go_on()

    def wedge(self) -> None:
        """From now on."""
        self._may_end.clear()

    def go_on(self) -> None:
        """As before."""
        self._may_end.set()

    def submit(self, work: Step) -> asyncio.Future[StepResult]:
        """See `NullExecutor`."""
        return asyncio.ensure_future(self._end(super().submit(work)))

    async def _end(self, step: asyncio.Future[StepResult]) -> StepResult:
        result = await step
        await self._may_end.wait()
        return result


async def make(
    _name: str, incarnation: int, send: Callable[[Frame], object], description: Description
) -> InferenceReplica:
    """`description`: the `streams` that there is room for, their `longest_tokens`, `step_s`, and `timing`."""
    config = null_config(description["streams"], description["longest_tokens"])
    executor, loop = FaultyExecutor(description["step_s"]), asyncio.get_running_loop()
    loop.add_signal_handler(WEDGE, executor.wedge)
    loop.add_signal_handler(GO_ON, executor.go_on)

    def make_driver(reporter: Reporter) -> ReportingDriver:
        return ReportingDriver(config, executor, None, reporter.report, reporter.stopped)

    timing = Timing(**description["timing"])
    return InferenceReplica(incarnation, make_driver, executor.numeric_fingerprint, send, timing)


if __name__ == "__main__":
    run_replica(make)
