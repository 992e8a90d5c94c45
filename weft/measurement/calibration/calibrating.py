"""From a model that is ready to serve to a profile of it on this machine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weft.contracts.errors import ConfigurationError
from weft.costs.calibrated import Wakings
from weft.costs.local_profile import LocalProfile, shape_of
from weft.costs.step_curve import Layers, StepCurve
from weft.executor.limits import available_memory_bytes
from weft.measurement.bench_model import BenchModel, describe_serving
from weft.measurement.calibration.bandwidth import probe_bandwidth
from weft.measurement.calibration.fitting import fit_curve, relative_errors, stated_error
from weft.measurement.calibration.grid import (
    GridPoint,
    Limits,
    fitted_points,
    held_out_points,
)
from weft.measurement.calibration.hand_made_steps import write_state
from weft.measurement.calibration.serving_fit import fit_serving
from weft.measurement.calibration.serving_load import ServedStep, time_serving
from weft.measurement.calibration.step_times import StepTimer, time_steps
from weft.measurement.calibration.swaps import SwapTimes, time_swaps
from weft.measurement.calibration.wakings import time_wakings
from weft.measurement.machine import describe_machine

if TYPE_CHECKING:
    from weft.executor.loading import Serving

SERVING_SHARE, WAKING_SHARE, SWAP_SHARE = 0.25, 0.1, 0.02
"""Of the time that a calibration may take; steps get the rest."""

TILE_ROWS = {"torch": 1, "reference": 16, "cpu": 1}
"""By backend, rows that products compute together at least; see `weft/ops/tiles.py`."""

PADS_DECODES = {"torch": True, "reference": False, "cpu": False}
"""By backend, whether sequences that decode are padded to the longest; see `weft/ops/paged_attention.py`."""


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """`budget_s`: about how long the measurements take, loading apart."""

    budget_s: float = 100.0

    def __post_init__(self) -> None:
        if not 0.0 < self.budget_s <= 120.0:
            raise ConfigurationError(
                f"budget_s is {self.budget_s:g}; give more than 0 and at most 120 seconds"
            )


@dataclass(slots=True)
class Calibration:
    """What was measured of a model that is ready to serve: `curve` of steps made by hand, and its `errors` where it was
    not fitted; `served` steps of an engine, to which more can be added while the machine changes."""

    name: str
    serving: "Serving"
    memory_bytes: int
    curve: StepCurve
    errors: list[float]
    served: list[list[ServedStep]]
    wakings_s: Wakings
    swaps: SwapTimes
    bandwidths: tuple[float, float] = (0.0, 0.0)

    def serve_more(self, budget_s: float) -> list[list[ServedStep]]:
        """What an engine does that serves for about so long, with nothing else under way."""
        more = asyncio.run(_serve(self.serving, budget_s, seed=len(self.served)))
        self.served += more
        return more

    def profile(self) -> LocalProfile:
        """Of all that was measured so far."""
        engine, settlings = fit_serving(self.curve, self.served)
        median_error, relative_error = stated_error(self.errors)
        return LocalProfile(
            model=self.name,
            shape=shape_of(self.serving.spec),
            machine=describe_machine(),
            serving=_described(self.serving),
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            curve=self.curve,
            engine=engine,
            wakings_s=self.wakings_s,
            settlings=settlings,
            swap_start_s=self.swaps.start_s,
            swap_block_s=self.swaps.block_s,
            block_tokens=self.serving.options.block_tokens,
            memory_bytes=self.memory_bytes,
            median_error=median_error,
            relative_error=relative_error,
            num_held_out=len(self.errors),
            bandwidths=self.bandwidths,
        )


def calibrate(
    name: str,
    serving: "Serving",
    settings: CalibrationSettings,
    tell: Callable[[str], None] = lambda what: None,
) -> Calibration:
    """Measure steps, an engine that serves, what follows pauses, and transfers in about `budget_s`.

    `name`: of the model, in the profile. `serving`: as `load_for_calibration` loads it, with nothing under way.
    `tell` is called with what comes next.
    """
    memory_bytes = available_memory_bytes()
    tell("memory")
    before = probe_bandwidth()
    measured = asyncio.run(_measure(serving, limits_of(serving), settings.budget_s, tell))
    return Calibration(name, serving, memory_bytes, *measured, (before, probe_bandwidth()))


def limits_of(serving: "Serving") -> Limits:
    """What the engine may ask of the executor."""
    options, config = serving.options, serving.config
    blocks = min(config.num_blocks.values())
    return Limits(
        options.max_num_seqs,
        options.max_num_batched_tokens,
        serving.max_model_len,
        blocks * options.block_tokens,
    )


async def _measure(
    serving: "Serving", limits: Limits, budget_s: float, tell: Callable[[str], None]
) -> tuple[StepCurve, list[float], list[list[ServedStep]], Wakings, SwapTimes]:
    points = [*fitted_points(limits), *held_out_points(limits)]
    points.sort(key=lambda point: point.num_tokens)
    tell("steps")
    write_state(serving, points)
    timer = StepTimer(serving)
    before = await _serve(serving, SERVING_SHARE / 2 * budget_s, seed=0)
    steps = await time_steps(timer, points, (1.0 - SERVING_SHARE - WAKING_SHARE - SWAP_SHARE) * budget_s)
    tell("an engine that serves")
    served = [*before, *await _serve(serving, SERVING_SHARE / 2 * budget_s, seed=len(before))]
    curve, errors = fit(serving, limits, steps)
    tell("pauses")
    engine = fit_serving(curve, served).work
    wakings_s = await time_wakings(serving, limits, engine, WAKING_SHARE * budget_s)
    tell("transfers")
    return curve, errors, served, wakings_s, await time_swaps(serving, SWAP_SHARE * budget_s)


async def _serve(serving: "Serving", budget_s: float, seed: int) -> list[list[ServedStep]]:
    pads_decodes = PADS_DECODES[serving.options.backend]
    return await time_serving(serving, limits_of(serving), pads_decodes, budget_s, seed)


def fit(serving: "Serving", limits: Limits, steps: dict[GridPoint, float]) -> tuple[StepCurve, list[float]]:
    """The curve of what was measured, and its errors where it was not fitted, relative to what was measured."""
    backend = serving.options.backend
    layers = [Layers(len(group.layers), group.window_tokens) for group in serving.spec.layer_groups]
    seen = {point: steps[point] for point in fitted_points(limits) if point in steps}
    unseen = {point: steps[point] for point in held_out_points(limits) if point in steps}
    curve = fit_curve(layers, TILE_ROWS[backend], PADS_DECODES[backend], seen)
    return curve, relative_errors(curve, unseen or seen)


def _described(serving: "Serving") -> dict[str, str | int]:
    described = describe_serving(BenchModel(serving.spec, None, {}), serving)
    return {name: described[name] for name in ("backend", "device", "dtype", "threads")}
