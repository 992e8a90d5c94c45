"""From a model that is ready to serve to a profile of it on this machine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

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
    recorded_points,
)
from weft.measurement.calibration.hand_made_steps import write_state
from weft.measurement.calibration.serving_fit import Served, fit_serving
from weft.measurement.calibration.serving_load import time_serving
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


RECORDED_TOKENS = {"torch": 0, "reference": 0, "cpu": 64}
"""By backend, up to how many tokens a step is recorded; see `weft/ops/cpu/cpu_ops.py`."""


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """`budget_s`: about how long the measurements take, loading apart."""

    budget_s: float = 100.0

    def __post_init__(self) -> None:
        if not 0.0 < self.budget_s <= 120.0:
            raise ConfigurationError(
                f"budget_s is {self.budget_s:g}; give more than 0 and at most 120 seconds"
            )


class Measured(NamedTuple):
    """What the executor was seen to take, and the errors of the curve where it was not fitted."""

    curve: StepCurve
    served: Served
    errors: list[float]
    wakings_s: Wakings
    swaps: SwapTimes


def calibrate(
    name: str,
    serving: "Serving",
    settings: CalibrationSettings,
    tell: Callable[[str], None] = lambda what: None,
) -> LocalProfile:
    """Measure steps, an engine that serves, what follows pauses, and transfers in about `budget_s`.

    `name`: of the model, in the profile. `serving`: as `load_for_calibration` loads it, with nothing under way.
    `tell` is called with what comes next.
    """
    limits = limits_of(serving)
    memory_bytes = available_memory_bytes()
    tell("memory")
    before = probe_bandwidth()
    measured = asyncio.run(_measure(serving, limits, settings.budget_s, tell))
    served = measured.served
    median_error, relative_error = stated_error(measured.errors)
    return LocalProfile(
        model=name,
        shape=shape_of(serving.spec),
        machine=describe_machine(),
        serving=_described(serving),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        curve=measured.curve,
        engine=served.work,
        wakings_s=measured.wakings_s,
        settlings=served.settlings,
        swap_start_s=measured.swaps.start_s,
        swap_block_s=measured.swaps.block_s,
        block_tokens=serving.options.block_tokens,
        memory_bytes=memory_bytes,
        median_error=median_error,
        relative_error=relative_error,
        num_held_out=len(measured.errors),
        bandwidths=(before, probe_bandwidth()),
    )


def limits_of(serving: "Serving") -> Limits:
    """What the engine may ask of the executor."""
    options, config = serving.options, serving.config
    blocks = min(config.num_blocks.values())
    return Limits(
        options.max_num_seqs,
        options.max_num_batched_tokens,
        serving.max_model_len,
        blocks * options.block_tokens,
        RECORDED_TOKENS[options.backend],
    )


async def _measure(
    serving: "Serving", limits: Limits, budget_s: float, tell: Callable[[str], None]
) -> Measured:
    points = [*fitted_points(limits), *held_out_points(limits)]
    points.sort(key=lambda point: point.num_tokens)
    tell("steps")
    write_state(serving, points)
    timer = StepTimer(serving)
    for point in recorded_points(limits):
        await timer.visit(point, 1)
    served_share = SERVING_SHARE / 2 * budget_s
    pads_decodes = PADS_DECODES[serving.options.backend]
    before = await time_serving(serving, limits, pads_decodes, served_share, seed=0)
    steps = await time_steps(timer, points, (1.0 - SERVING_SHARE - WAKING_SHARE - SWAP_SHARE) * budget_s)
    tell("an engine that serves")
    after = await time_serving(serving, limits, pads_decodes, served_share, seed=1)
    curve, errors = fit(serving, limits, steps)
    served = fit_serving(curve, [*before, *after])
    tell("pauses")
    wakings_s = await time_wakings(serving, limits, served.work, WAKING_SHARE * budget_s)
    tell("transfers")
    return Measured(curve, served, errors, wakings_s, await time_swaps(serving, SWAP_SHARE * budget_s))


def fit(serving: "Serving", limits: Limits, steps: dict[GridPoint, float]) -> tuple[StepCurve, list[float]]:
    """The curve of what was measured, and its errors where it was not fitted, relative to what was measured."""
    backend = serving.options.backend
    layers = [Layers(len(group.layers), group.window_tokens) for group in serving.spec.layer_groups]
    seen = {point: steps[point] for point in fitted_points(limits) if point in steps}
    unseen = {point: steps[point] for point in held_out_points(limits) if point in steps}
    curve = fit_curve(layers, TILE_ROWS[backend], PADS_DECODES[backend], seen, limits.recorded_tokens)
    return curve, relative_errors(curve, unseen or seen)


def _described(serving: "Serving") -> dict[str, str | int]:
    described = describe_serving(BenchModel(serving.spec, None, {}), serving)
    return {name: described[name] for name in ("backend", "device", "dtype", "threads")}
