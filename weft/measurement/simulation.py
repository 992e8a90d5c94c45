"""Simulating a service from names and numbers, to one typed result."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Status
from weft.contracts.options import serving_options
from weft.contracts.version import __version__
from weft.measurement.request_table import RequestRecorder, RequestTable
from weft.measurement.serving_figures import RequestTimes, ServingFigures, ServingReport
from weft.measurement.timeline import Timeline, TimelineFold
from weft.observation.event_log import EventLog
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.replica_figures import ReplicaReport
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import Watch, simulate_service
from weft.workloads.limits import Limited
from weft.workloads.registry import find_workload
from weft.workloads.samples import SeveralSamples
from weft.workloads.scaling import Scaled
from weft.workloads.sessions import Workload
from weft.workloads.trace import TraceWorkload

DEFAULT_REQUESTS = 1000
"""Of a workload without end, where no bound is given."""

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What a simulation says of a service.

    `serving`: the figures of `vllm bench serve`. `offered_per_s`: requests per second from the first arrival to the
    last; a short run sees only the beginning of a workload's pattern in time, whose rate may lie off the average.
    `relative_error`: how far from predicted latencies, as a share of them, four fifths of what was measured lay at most
    (above them, where `profile` is a plain roofline); None where that is not known. `profile`, `server`, `version`:
    what predictions rest on, and whose they are. `price_per_hour`: of all devices, in US dollars; None where no source
    states it. `requests`: what became of each. `timeline`: figures over time.
    """

    model: str
    workload: str
    num_devices: int
    serving: ServingReport
    offered_per_s: float
    replicas: tuple[ReplicaReport, ...]
    relative_error: float | None
    profile: str
    server: str
    version: str
    price_per_hour: float | None
    requests: RequestTable = field(repr=False)
    timeline: Timeline = field(repr=False)

    @property
    def utilisation(self) -> float:
        """The share of the run in which replicas were busy with a step, the mean over replicas."""
        return self._mean([replica.busy_s for replica in self.replicas]) / (self.serving.duration_s or 1.0)

    @property
    def kv_usage_mean(self) -> float:
        """Share of the cache's blocks in use, over time and replicas."""
        return self._mean([replica.kv_usage_mean for replica in self.replicas])

    @property
    def kv_usage_peak(self) -> float:
        """The highest of any replica."""
        return max(replica.kv_usage_peak for replica in self.replicas)

    @property
    def preemptions(self) -> int:
        """Of all replicas."""
        return sum(replica.preemptions for replica in self.replicas)

    @property
    def prefix_hit_share(self) -> float:
        """Of the tokens of sequences about to run, those whose state was found in the cache."""
        queried = sum(replica.prefix_queried_tokens for replica in self.replicas)
        return sum(replica.prefix_hit_tokens for replica in self.replicas) / (queried or 1)

    @property
    def mean_acceptance_length(self) -> float | None:
        """Tokens that a verified draft brought, the one after the guesses among them; None where there were none."""
        drafts = sum(replica.drafts for replica in self.replicas)
        return 1 + sum(replica.accepted_tokens for replica in self.replicas) / drafts if drafts else None

    @property
    def joules(self) -> float | None:
        """At most what the devices drew while steps ran; None where no source states their power."""
        known = [replica.joules for replica in self.replicas if replica.joules is not None]
        return sum(known) if len(known) == len(self.replicas) else None

    @property
    def cost_per_million_output_tokens(self) -> float | None:
        """US dollars: all devices for the whole run, over its output tokens."""
        if self.price_per_hour is None or not self.serving.output_tokens:
            return None
        paid = self.price_per_hour * self.serving.duration_s / SECONDS_PER_HOUR
        return paid / self.serving.output_tokens * 1e6

    @staticmethod
    def _mean(values: list[float]) -> float:
        return sum(values) / len(values)

    def as_json(self) -> dict[str, Any]:
        """The block under vLLM's names, and the rest under ours."""
        own = (
            *("model", "workload", "num_devices", "offered_per_s"),
            *("relative_error", "profile", "server", "version", "price_per_hour"),
        )
        derived = (
            *("utilisation", "kv_usage_mean", "kv_usage_peak", "preemptions", "prefix_hit_share"),
            *("mean_acceptance_length", "joules", "cost_per_million_output_tokens"),
        )
        each = [{at.name: getattr(report, at.name) for at in fields(report)} for report in self.replicas]
        named = {name: getattr(self, name) for name in (*own, *derived)}
        return named | self.serving.as_json() | {"replicas": each}


Progress = Callable[[float, int], None]
"""Told after each request: the simulated time in seconds, and how many have ended."""


def simulate(
    model: str,
    workload: str | Workload,
    *,
    rate: float | None = None,
    requests: int | None = None,
    duration_s: float | None = None,
    seed: int = 0,
    n: int = 1,
    beam_width: int = 1,
    options: DeploymentOptions | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    **choices: Any,
) -> SimulationResult:
    """Serve a workload with a model on simulated hardware, and tell how it fares.

    `model`: a name of the catalogue, or the path of a config.json. `workload`: what `find_workload` knows, or an
    object, which brings its own rate and seed. `rate`: requests per second in place of its own. `requests`,
    `duration_s`: where it is cut; a workload without end stops after 1,000 requests. `n`: samples of each prompt, where
    it is above 1; see `SeveralSamples`. `beam_width`: above 1, each request is a beam search; see `NextTokens`.
    `choices`: fields of `DeploymentOptions` (hardware, replicas, tp, …) and of `ServingOptions` (max_num_seqs, …), on
    top of `options`. The same arguments give the same result on every machine. Raises `WeftError` for what cannot be.
    """
    chosen = deployment_options(options or DeploymentOptions(), choices)
    played = bounded_workload(workload, rate, seed, requests, duration_s, n)
    return simulate_deployment(
        model, plan_deployment(model, chosen), played, progress, watch, seed, beam_width
    )


def simulate_deployment(
    model: str,
    deployment: Deployment,
    workload: Workload,
    progress: Progress | None = None,
    watch: Watch | None = None,
    seed: int = 0,
    beam_width: int = 1,
) -> SimulationResult:
    """As `simulate`, of what was planned before. `model`: its name in the result."""
    fold = _Fold(progress, TimelineFold(max(deployment.config.num_blocks.values())), watch)
    replicas = simulate_service(
        deployment, workload, fold.observe, fold.watch, seed, beam_width, keeps_events=watch is not None
    )
    return SimulationResult(
        model,
        workload.name,
        deployment.num_devices,
        fold.figures.report(),
        fold.offered_per_s,
        tuple(replicas),
        deployment.roofline.relative_error,
        deployment.roofline.profile,
        deployment.options.server,
        __version__,
        deployment.price_per_hour,
        fold.recorder.table,
        fold.timeline.timeline(),
    )


class _Fold:
    """Requests into figures, as they end, and steps into a timeline, as they pass."""

    def __init__(self, progress: Progress | None, timeline: TimelineFold, watch: Watch | None) -> None:
        self.figures, self.recorder, self.timeline = ServingFigures(), RequestRecorder(), timeline
        self._progress, self._watch_too = progress, watch
        self._num_ended = 0
        self._first_arrival_s, self._last_arrival_s = inf, 0.0

    @property
    def offered_per_s(self) -> float:
        over_s = self._last_arrival_s - self._first_arrival_s
        return (self._num_ended - 1) / over_s if over_s > 0.0 else 0.0

    def watch(self, replica: int, log: EventLog) -> None:
        self.recorder.watch(replica, log)
        self.timeline.watch(replica, log)
        if self._watch_too is not None:
            self._watch_too(replica, log)

    def observe(self, outcome: RequestOutcome) -> None:
        self.recorder.observe(outcome)
        if outcome.status is Status.FINISHED and outcome.first_token_s is not None:
            self.figures.add(
                RequestTimes(
                    outcome.arrival_s,
                    outcome.first_token_s,
                    outcome.ended_s,
                    outcome.prompt_tokens,
                    outcome.output_tokens,
                    outcome.token_gaps,
                )
            )
        else:
            self.figures.fail(outcome.reason)
        self._num_ended += 1
        self._first_arrival_s = min(self._first_arrival_s, outcome.arrival_s)
        self._last_arrival_s = max(self._last_arrival_s, outcome.arrival_s)
        if self._progress is not None:
            self._progress(outcome.ended_s, self._num_ended)


def deployment_options(options: DeploymentOptions, choices: dict[str, Any]) -> DeploymentOptions:
    """Options with some of their fields, or of the serving options in them, replaced by name."""
    own = {each.name for each in fields(DeploymentOptions)}
    serving = {name: value for name, value in choices.items() if name not in own}
    given = {name: value for name, value in choices.items() if name in own}
    if serving:
        serving_options(serving)  # its complaints name what was meant
        given["serving"] = replace(options.serving, **serving)
    return replace(options, **given)


def bounded_workload(
    workload: str | Workload,
    rate: float | None,
    seed: int,
    requests: int | None,
    duration_s: float | None,
    n: int = 1,
) -> Workload:
    """What `simulate` plays; see there."""
    if not isinstance(workload, str) and rate is not None:
        raise ConfigurationError(f"rate is {rate}; {workload.name} is an object, so give it its rate before")
    found = find_workload(workload, rate, seed) if isinstance(workload, str) else workload
    ends = not isinstance(workload, str) or isinstance(found, TraceWorkload | Scaled)
    if requests is None and duration_s is None and not ends:
        requests = DEFAULT_REQUESTS
    bounded = found if requests is None and duration_s is None else Limited(found, requests, duration_s)
    return bounded if n == 1 else SeveralSamples(bounded, n, seed)
