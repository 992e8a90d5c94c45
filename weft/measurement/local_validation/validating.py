"""A load live and simulated on this machine, at shares of what it can do, several times."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from weft.contracts.events import StepRecord
from weft.costs.local_profile import LocalProfile
from weft.measurement.calibration import Calibration, calibrate, load_for_calibration
from weft.measurement.calibration.bandwidth import probe_bandwidth
from weft.measurement.calibration.serving_fit import slowdown
from weft.measurement.calibration.serving_load import ServedStep
from weft.measurement.local_validation.comparing import figures_of, relative_errors
from weft.measurement.local_validation.orders import Orders, Scale, make_orders
from weft.measurement.local_validation.replay import Recording, replay
from weft.measurement.local_validation.results import LocalValidation, Run
from weft.measurement.local_validation.saturation import answered_per_s
from weft.measurement.local_validation.settings import LocalSettings
from weft.measurement.local_validation.worlds import (
    LiveWorld,
    SimulatedWorld,
    record_steps,
    simulated_world,
)
from weft.measurement.serving_figures import RequestTimes

if TYPE_CHECKING:
    from weft.executor.loading import Serving

PROBE_SHARE = 1 / 20
"""Of the time for the calibration, for which an engine serves before and after each run."""

LEAST_REQUESTS = 10
"""Of a run, whatever its duration."""

Tell = Callable[[str], None]


def validate_local(settings: LocalSettings, tell: Tell = lambda what: None) -> LocalValidation:
    """Calibrate, find the knee, then play every load as often as `num_runs` says, the loads taking turns. Before
    and after each run an engine serves the calibration's load: its steps say whether the machine has changed, and are
    part of the profile, which is fitted when all runs are over. `tell` is called with what comes next. Raises
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
        runs = tuple(_simulated(each, world, profile) for each in played)
    finally:
        serving.close()
    usual = median(bandwidth for run in runs for bandwidth in run.bandwidths)
    flipped = tuple(run.is_flipped(usual) for run in runs)
    return LocalValidation(settings, profile, knee_per_s, runs, flipped)


class _Probe(NamedTuple):
    """How fast the machine is: its memory, and the steps of an engine."""

    bandwidth: float
    served: list[list[ServedStep]]


class _Played(NamedTuple):
    """A live run; see `Run`."""

    load: float
    rate_per_s: float
    seed: int
    orders: Orders
    times: list[RequestTimes]
    recording: Recording
    probes: tuple[_Probe, _Probe]


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
        found, probe = list[_Played](), self._probe()
        for number in range(self.settings.num_runs):
            for load in self.settings.loads:
                self.tell(f"load {load:g}, run {number + 1} of {self.settings.num_runs}")
                found.append(self._play(load, load * knee_per_s, self.settings.seed + number, probe))
                probe = found[-1].probes[1]
        return found

    def _probe(self) -> _Probe:
        served = self.calibration.serve_more(PROBE_SHARE * self.settings.calibration.budget_s)
        return _Probe(probe_bandwidth(), served)

    def _play(self, load: float, rate_per_s: float, seed: int, before: _Probe) -> _Played:
        number = max(LEAST_REQUESTS, round(rate_per_s * self.settings.duration_s))
        orders, recording = self._orders(rate_per_s, number, seed), Recording()
        times = self.live.play(orders.orders, recording.watch)
        return _Played(load, rate_per_s, seed, orders, times, recording, (before, self._probe()))

    def _orders(self, rate_per_s: float, num_requests: int, seed: int) -> Orders:
        scale = Scale(self.settings.divisor, self.serving.max_model_len, self.serving.spec.vocab_size)
        return make_orders(self.settings.workload, scale, rate_per_s, num_requests, seed)


def _simulated(played: _Played, world: SimulatedWorld, profile: LocalProfile) -> Run:
    """The same requests in virtual time, and the live run once more."""
    orders, num_capped = played.orders
    before, after = played.probes
    live, simulated = figures_of(played.times), figures_of(world.play(orders))
    again = replay(world, orders, played.times, played.recording)
    replayed = relative_errors(live, figures_of(again.times))
    as_fast = replace(world, slowdown=again.slowdown)
    return Run(
        played.load,
        played.rate_per_s,
        played.seed,
        len(orders),
        num_capped,
        live,
        simulated,
        relative_errors(live, simulated),
        again.slowdown,
        figures_of(as_fast.play(orders)),
        max(map(abs, replayed.values())),
        again.is_equal,
        (before.bandwidth, after.bandwidth),
        (slowdown(profile, before.served), slowdown(profile, after.served)),
    )
