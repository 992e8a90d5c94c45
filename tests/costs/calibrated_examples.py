"""Curves and profiles for tests."""

from typing import Any

from tests.executor.tiny_serving import CONFIG
from weft.costs.calibrated import EngineWork, Settling
from weft.costs.local_profile import LocalProfile, shape_of
from weft.costs.step_curve import Layers, Slopes, StepCurve
from weft.model_specs.families import spec_from_config

SLOPES = Slopes(
    output=1e-5,
    singles=2e-4,
    single=3e-5,
    chunks=5e-4,
    chunk=6e-5,
    chunk_seen=7e-8,
    pair=8e-9,
    beside=4e-6,
)
SEEN_S = ((0, 0.0), (1 << 12, 0.0002), (1 << 13, 0.0005))
BESIDE_S = ((0, 0.0), (1 << 12, 0.0001))
ROWS_S = ((1, 0.001), (2, 0.0015), (4, 0.0025), (8, 0.003))
CURVE = StepCurve((Layers(2, None),), 1, False, ROWS_S, SEEN_S, BESIDE_S, SLOPES)
NEAR_S, FAR_S = 0.0002 / (1 << 12), 0.0003 / (1 << 12)
"""For each token that is seen in a layer, up to the bend and after it."""
BESIDE_TOKEN_S = 0.0001 / (1 << 12)
"""For each beside long chunks."""

WORK = EngineWork(decodes=1.0, prompts=1.25, step_s=1e-4, sequence_s=1e-6, admission_s=2e-4)
SETTLINGS = (Settling(1e-4, 1e-6, 1e-7, 100), Settling(0.0, 5e-7, 0.0, 100))


def profile(**changes: Any) -> LocalProfile:
    """Of the tiny model of the executor's tests."""
    values: dict[str, Any] = {
        "model": "tiny",
        "shape": shape_of(spec_from_config(CONFIG, "a test")),
        "machine": {"processor": "a test", "load_average": 0.0},
        "serving": {"backend": "torch", "device": "cpu", "dtype": "float32", "threads": 1},
        "measured_at": "2026-11-22T01:00:00+00:00",
        "curve": CURVE,
        "engine": WORK,
        "wakings_s": ((0.001, 5e-4), (0.1, 2e-3)),
        "settlings": SETTLINGS,
        "swap_start_s": 1e-5,
        "swap_block_s": 2e-6,
        "block_tokens": 4,
        "memory_bytes": 1 << 30,
        "median_error": 0.02,
        "relative_error": 0.05,
        "num_held_out": 20,
        "bandwidths": (2e10, 2.1e10),
    }
    return LocalProfile(**values | changes)
