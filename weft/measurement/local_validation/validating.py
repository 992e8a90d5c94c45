"""A load live and simulated on this machine, at shares of what it can do, several times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from statistics import fmean, median
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

PROBE_SHARE = 1 / 10
"""Of the time for the calibration, for which an engine serves before and after each run."""

NEAR_PROBES = 2
"""On either side of a run, from which it is told how fast the machine was in it: one alone strays by some 2 %, half of
what the machine changes within the hour."""

LEAST_REQUESTS = 10
"""Of a run, whatever its duration."""

Tell = Callable[[str], None]


def validate_local(settings: LocalSettings, tell: Tell = lambda what: None) -> LocalValidation:
    """Calibrate, find the knee, then play every load as often as `num_runs` says, the loads taking turns. Before
    and after each run an engine serves the calibration's load: its steps say how fast the machine is now, and are
    part of the profile, which is fitted when all runs are over. `tell` is called with what comes next. Raises
    `WeftError` for what keeps the model from being served or measured."""
    serving = load_for_calibration(settings.directory, settings.serving)
    try:
        calibration = calibrate(settings.directory.name, serving, settings.calibration, tell)
        live = LiveWorld(serving, swaps=settings.serving.get("swap_memory_bytes", 0) > 0)
        try:
            session = _Session(settings, serving, live, calibration, tell)
            knee_per_s = session.knee_per_s()
            played, probes = session.played(knee_per_s)
        finally:
            live.close()
        profile = calibration.profile()
        tell("simulations")
        world = simulated_world(live, serving, profile)
        besides = _besides(probes, profile)
        runs = tuple(_simulated(each, world, beside) for each, beside in zip(played, besides, strict=True))
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


class _Beside(NamedTuple):
    """What probes say of a run: the one before and the one after it, and what those near it expect."""

    bandwidths: tuple[float, float]
    slowdowns: tuple[float, float]
    expected_slowdown: float


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

    def played(self, knee_per_s: float) -> tuple[list[_Played], list[_Probe]]:
        """All loads, as often as they are to be played, and what was probed before, between and after them."""
        found, probes = list[_Played](), [self._probe()]
        for number in range(self.settings.num_runs):
            for load in self.settings.loads:
                self.tell(f"load {load:g}, run {number + 1} of {self.settings.num_runs}")
                found.append(self._play(load, load * knee_per_s, self.settings.seed + number))
                probes.append(self._probe())
        return found, probes

    def _probe(self) -> _Probe:
        served = self.calibration.serve_more(PROBE_SHARE * self.settings.calibration.budget_s)
        return _Probe(probe_bandwidth(), served)

    def _play(self, load: float, rate_per_s: float, seed: int) -> _Played:
        number = max(LEAST_REQUESTS, round(rate_per_s * self.settings.duration_s))
        orders, recording = self._orders(rate_per_s, number, seed), Recording()
        times = self.live.play(orders.orders, recording.watch)
        return _Played(load, rate_per_s, seed, orders, times, recording)

    def _orders(self, rate_per_s: float, num_requests: int, seed: int) -> Orders:
        scale = Scale(self.settings.divisor, self.serving.max_model_len, self.serving.spec.vocab_size)
        return make_orders(self.settings.workload, scale, rate_per_s, num_requests, seed)


def _besides(probes: Sequence[_Probe], profile: LocalProfile) -> list[_Beside]:
    """Of each run, in their order."""
    slowdowns = [slowdown(profile, probe.served) for probe in probes]
    return [
        _Beside(
            (before.bandwidth, after.bandwidth),
            (slowdowns[index], slowdowns[index + 1]),
            fmean(slowdowns[max(0, index + 1 - NEAR_PROBES) : index + 1 + NEAR_PROBES]),
        )
        for index, (before, after) in enumerate(pairwise(probes))
    ]


def _simulated(played: _Played, world: SimulatedWorld, beside: _Beside) -> Run:
    """The same requests in virtual time, and the live run once more."""
    orders, num_capped = played.orders

    def figures(factor: float) -> dict[str, float]:
        return figures_of(replace(world, slowdown=factor).play(orders))

    live, simulated = figures_of(played.times), figures(beside.expected_slowdown)
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
        beside.expected_slowdown,
        figures(1.0),
        again.slowdown,
        figures(again.slowdown),
        max(map(abs, replayed.values())),
        again.is_equal,
        beside.bandwidths,
        beside.slowdowns,
    )
