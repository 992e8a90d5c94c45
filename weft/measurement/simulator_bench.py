"""How fast a simulation runs: one core, event log and prefix cache on, close to the knee of the plain roofline."""

from time import perf_counter, process_time
from typing import NamedTuple

from weft.measurement.simulation import simulate
from weft.simulator.deployment_costs import PLAIN_ROOFLINE

MODEL, HARDWARE, WORKLOAD, REPLICAS = "meta-llama/Llama-3.1-8B", "h100", "azure-conv", 8

RATE_PER_S = 320.0
"""On average over the workload's hour; its first minutes, which are what is run, have six tenths of that. Eight
replicas answer about 230 requests per second at most."""


class SimulatorBench(NamedTuple):
    """Figures of one run. Rates with `process` count the process's own time: what else runs does not slow them."""

    num_requests: int
    num_steps: int
    num_events: int
    output_tokens: int
    simulated_s: float
    utilisation: float
    wall_s: float
    process_s: float

    @property
    def requests_per_wall_s(self) -> float:
        """Requests simulated per second of waiting."""
        return self.num_requests / self.wall_s

    @property
    def requests_per_process_s(self) -> float:
        """Requests simulated per second of the processor."""
        return self.num_requests / self.process_s

    @property
    def output_tokens_per_process_s(self) -> float:
        """Output tokens simulated per second of the processor."""
        return self.output_tokens / self.process_s


def bench_simulator(num_requests: int, seed: int) -> SimulatorBench:
    """Run the beginning of the load, set-up included."""
    wall_s, process_s = perf_counter(), process_time()
    result = simulate(
        MODEL,
        WORKLOAD,
        rate=RATE_PER_S,
        requests=num_requests,
        seed=seed,
        hardware=HARDWARE,
        replicas=REPLICAS,
        profiles=PLAIN_ROOFLINE,
        server="weft",
    )
    return SimulatorBench(
        result.serving.num_requests,
        sum(replica.num_steps for replica in result.replicas),
        sum(replica.num_events for replica in result.replicas),
        result.serving.output_tokens,
        result.serving.duration_s,
        result.utilisation,
        perf_counter() - wall_s,
        process_time() - process_s,
    )
