"""A tiny random model, as a directory and as a `BenchModel`, for tests of the benches."""

from pathlib import Path

from tests.executor import tiny_serving
from tests.executor.tiny_serving import CONFIG
from weft.measurement.bench_model import BenchModel
from weft.model_specs.families import spec_from_config


def save_tiny(directory: Path) -> Path:
    """A checkpoint; its weights are so large that outputs vary."""
    return Path(tiny_serving.save_tiny(directory, seed=0))


def tiny_random() -> BenchModel:
    """Without a directory."""
    return BenchModel(spec_from_config(CONFIG, "a test"), None, CONFIG)
