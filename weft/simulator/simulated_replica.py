"""A replica on simulated devices: its log and figures, which outlive the loss of its engine."""

from collections.abc import Callable

from weft.engine.config import EngineConfig
from weft.observation.event_log import EventLog
from weft.simulator.coasting_driver import CoastingDriver
from weft.simulator.deployment import Deployment
from weft.simulator.oracle import with_oracle
from weft.simulator.replica_figures import ReplicaFigures, ReplicaReport
from weft.simulator.simulated_executor import SimulatedExecutor
from weft.simulator.virtual_time import running_agenda

MakeDriver = Callable[[EngineConfig, SimulatedExecutor, EventLog], CoastingDriver]


class SimulatedReplica:
    """An engine with its driver and executor. `output_tokens`: of each request, by id, which the executor alone reads.
    `num_requests`: that it was given."""

    executor: SimulatedExecutor
    driver: CoastingDriver

    def __init__(self, deployment: Deployment, output_tokens: dict[str, tuple[int, ...]], seed: int) -> None:
        self.log = EventLog()
        self.figures = ReplicaFigures(self.log, max(deployment.config.num_blocks.values()))
        self.num_requests = 0
        self._deployment, self._output_tokens, self._seed = deployment, output_tokens, seed
        self._executors: list[SimulatedExecutor] = []

    def start(self, make_driver: MakeDriver) -> CoastingDriver:
        """Begin with an engine that has nothing cached, and its driver."""
        deployment = self._deployment
        self.executor = SimulatedExecutor(deployment, self._output_tokens, deployment.depth, self._seed)
        self._executors.append(self.executor)
        config = with_oracle(deployment.config, self._output_tokens)
        watchers = self.log.handlers()
        self.driver = make_driver(config, self.executor, self.log)
        self._handlers = [each for each in self.log.handlers() if each not in watchers]
        return self.driver

    def lose(self) -> None:
        """Its engine ends where it is; what was under way never returns. Its requests have been cancelled."""
        self.driver.halt()
        self.figures.note_empty(running_agenda().now_s)
        for handler in self._handlers:
            self.log.unsubscribe(handler)

    def report(self, now_s: float) -> ReplicaReport:
        """Its figures so far."""
        figures = self.figures
        joules = [each.joules for each in self._executors]
        mean, peak = figures.kv_usage(now_s)
        return ReplicaReport(
            self.num_requests,
            sum(each.num_steps for each in self._executors),
            self.log.num_recorded,
            sum(each.busy_s for each in self._executors),
            None if None in joules else sum(each or 0.0 for each in joules),
            mean,
            peak,
            figures.preemptions,
            figures.prefix_queried_tokens,
            figures.prefix_hit_tokens,
            figures.drafts,
            figures.drafted_tokens,
            figures.accepted_tokens,
        )
