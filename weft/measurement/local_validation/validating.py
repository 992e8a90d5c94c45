"""A load live and simulated on this machine, at shares of what it can do, several times."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from math import inf
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.contracts.events import StepRecord
from weft.costs.local_profile import LocalProfile
from weft.measurement.calibration import Calibration, calibrate, load_for_calibration
from weft.measurement.calibration.bandwidth import is_flipped, probe_bandwidth
from weft.measurement.local_validation.comparing import Compared, compare, figures_of, relative_errors
from weft.measurement.local_validation.orders import Orders, Scale, make_orders
from weft.measurement.local_validation.replay import Recording, replay
from weft.measurement.local_validation.saturation import answered_per_s
from weft.measurement.local_validation.settings import LocalSettings
from weft.measurement.local_validation.worlds import (
    LiveWorld,
    SimulatedWorld,
    record_steps,
    simulated_world,
)
from weft.measurement.machine import describe_machine
from weft.measurement.serving_figures import RequestTimes

if TYPE_CHECKING:
    from weft.executor.loading import Serving

SERVED_SHARE = 1 / 60
"""Of the time for the calibration, as long again after each run."""

LEAST_REQUESTS = 10
"""Of a run, whatever its duration."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One load live and simulated: `FIGURES` of both. `load`: as a share of the knee. `replay_error`: the largest error
    of a simulation that takes the durations of the live steps, for which no cost model is to blame, and whether its
    steps were the same (`replay_is_equal`). `bandwidths`: before and after, in bytes per second."""

    load: float
    rate_per_s: float
    seed: int
    num_requests: int
    num_capped: int
    live: dict[str, float]
    simulated: dict[str, float]
    errors: dict[str, float]
    replay_error: float
    replay_is_equal: bool
    bandwidths: tuple[float, float]


@dataclass(frozen=True, slots=True)
class LocalValidation:
    """`knee_per_s`: requests per second that the live service answers while there is more to do. `is_flipped` of each
    run: whether a probe beside it was far from the median of all."""

    settings: LocalSettings
    profile: LocalProfile
    knee_per_s: float
    runs: tuple[Run, ...]
    flipped: tuple[bool, ...]
    machine: dict[str, Any] = field(default_factory=describe_machine)

    def compared(self, load: float, *, flipped: bool = False) -> dict[str, Compared]:
        """Live and simulated figures at a load, medians over the runs that are flipped, or over those that are not."""
        runs = zip(self.runs, self.flipped, strict=True)
        wanted = [
            (run.live, run.simulated) for run, is_apart in runs if run.load == load and is_apart == flipped
        ]
        return compare(wanted) if wanted else {}

    @property
    def errors(self) -> list[float]:
        """The sizes of all errors, one for each figure at each load, of runs that are not flipped."""
        loads = (self.compared(load) for load in self.settings.loads)
        return [abs(figure.error) for figures in loads for figure in figures.values()]

    def as_json(self) -> dict[str, Any]:
        """Everything, with what and when it was measured."""
        errors = self.errors
        by_load = {
            f"{load:g}": {
                name: {each: figure._asdict() for each, figure in self.compared(load, flipped=apart).items()}
                for name, apart in (("runs", False), ("flipped_runs", True))
            }
            for load in self.settings.loads
        }
        return {
            "benchmark": "validate local",
            "machine": self.machine,
            "settings": asdict(self.settings) | {"directory": str(self.settings.directory)},
            "profile": self.profile.as_json(),
            "knee_per_s": self.knee_per_s,
            "median_error": median(errors) if errors else None,
            "worst_error": max(errors, default=None),
            "loads": by_load,
            "runs": [
                asdict(run) | {"flipped": apart} for run, apart in zip(self.runs, self.flipped, strict=True)
            ],
        }


def validate_local(settings: LocalSettings, tell: Tell = lambda what: None) -> LocalValidation:
    """Calibrate, find the knee, then play every load as often as `num_runs` says, the loads taking turns; between runs
    the calibration goes on, so that both see the same machine. `tell` is called with what comes next. Raises
    `WeftError` for what keeps the model from being served or measured."""
    serving = load_for_calibration(settings.directory, settings.serving)
    try:
        calibration = calibrate(settings.directory.name, serving, settings.calibration, tell)
        live = LiveWorld(serving, swaps=settings.serving.get("swap_memory_bytes", 0) > 0)
        try:
            session = _Session(settings, serving, live, calibration, tell)
            knee_per_s = session.knee_per_s()
            played = session.played(knee_per_s)
        finally:
            live.close()
        profile = calibration.profile()
        tell("simulations")
        world = simulated_world(live, serving, profile)
        runs = tuple(_simulated(each, world) for each in played)
    finally:
        serving.close()
    usual = median(bandwidth for run in runs for bandwidth in run.bandwidths)
    flipped = tuple(is_flipped(run.bandwidths, usual) for run in runs)
    return LocalValidation(settings, profile, knee_per_s, runs, flipped)


class _Played(NamedTuple):
    """A live run; see `Run`."""

    load: float
    rate_per_s: float
    seed: int
    orders: Orders
    times: list[RequestTimes]
    recording: Recording
    bandwidths: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Session:
    settings: LocalSettings
    serving: "Serving"
    live: LiveWorld
    calibration: Calibration
    tell: Tell

    def knee_per_s(self) -> float:
        """By a run of the live service whose length the simulated one foretells."""
        most = self.live.config.max_running
        foretold = self._orders(inf, 4 * most, self.settings.seed)
        steps: list[StepRecord] = []
        simulated = simulated_world(self.live, self.serving, self.calibration.profile())
        simulated.play(foretold.orders, record_steps(steps))
        number = most + round(answered_per_s(steps, foretold) * self.settings.duration_s)
        self.tell(f"the knee, with {number} requests at once")
        orders = self._orders(inf, max(2 * most, number), self.settings.seed)
        steps.clear()
        self.live.play(orders.orders, record_steps(steps))
        return answered_per_s(steps, orders)

    def played(self, knee_per_s: float) -> list[_Played]:
        """All loads, as often as they are to be played."""
        found = []
        for number in range(self.settings.num_runs):
            for load in self.settings.loads:
                self.tell(f"load {load:g}, run {number + 1} of {self.settings.num_runs}")
                found.append(self._play(load, load * knee_per_s, self.settings.seed + number))
                self.calibration.serve_more(SERVED_SHARE * self.settings.calibration.budget_s)
        return found

    def _play(self, load: float, rate_per_s: float, seed: int) -> _Played:
        number = max(LEAST_REQUESTS, round(rate_per_s * self.settings.duration_s))
        orders, recording = self._orders(rate_per_s, number, seed), Recording()
        before = probe_bandwidth()
        times = self.live.play(orders.orders, recording.watch)
        return _Played(load, rate_per_s, seed, orders, times, recording, (before, probe_bandwidth()))

    def _orders(self, rate_per_s: float, num_requests: int, seed: int) -> Orders:
        scale = Scale(self.settings.divisor, self.serving.max_model_len, self.serving.spec.vocab_size)
        return make_orders(self.settings.workload, scale, rate_per_s, num_requests, seed)


def _simulated(played: _Played, world: SimulatedWorld) -> Run:
    """The same requests in virtual time, and the live run once more."""
    orders, num_capped = played.orders
    live, simulated = figures_of(played.times), figures_of(world.play(orders))
    again = replay(world, orders, played.times, played.recording)
    replayed = relative_errors(live, figures_of(again.times))
    return Run(
        played.load,
        played.rate_per_s,
        played.seed,
        len(orders),
        num_capped,
        live,
        simulated,
        relative_errors(live, simulated),
        max(map(abs, replayed.values())),
        again.is_equal,
        played.bandwidths,
    )
