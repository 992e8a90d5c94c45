"""A replica of a cluster around an executor that does nothing. As a process: see `process_main`."""

from collections.abc import Callable

from weft.cluster.hosting import Description
from weft.cluster.inference_replica import InferenceReplica, Reporter
from weft.cluster.messages import Frame
from weft.cluster.process_main import run_replica
from weft.cluster.timing import Timing
from weft.contracts.state import PagedGroup, StateLayout
from weft.engine.config import EngineConfig
from weft.engine.reporting_driver import ReportingDriver
from weft.simulator.null_executor import NullExecutor


def null_config(streams: int, longest_tokens: int) -> EngineConfig:
    """Room for so many sequences of so many tokens, prompts included."""
    layout = StateLayout((PagedGroup("kv", bytes_per_token=1),))
    num_blocks = streams * (longest_tokens // layout.block_tokens + 2)
    return EngineConfig(layout, {"kv": num_blocks}, max_running=streams, max_step_tokens=streams + 2048)


async def make(
    _name: str, incarnation: int, send: Callable[[Frame], object], description: Description
) -> InferenceReplica:
    """`description`: the `streams` that there is room for, their `longest_tokens`, and `step_s`."""
    config = null_config(description["streams"], description["longest_tokens"])
    executor = NullExecutor(step_s=description["step_s"])

    def make_driver(reporter: Reporter) -> ReportingDriver:
        return ReportingDriver(config, executor, None, reporter.report, reporter.stopped)

    return InferenceReplica(incarnation, make_driver, executor.numeric_fingerprint, send, Timing())


if __name__ == "__main__":
    run_replica(make)
