"""Whether a checkpoint could be loaded, without loading it."""

from pathlib import Path

from weft.executor.loading import build_model
from weft.executor.packed_loading import is_packed
from weft.model_specs.families import read_spec
from weft.model_specs.model_spec import ModelSpec
from weft.ops.torch_ops import TorchOps
from weft.weights.checkpoint import CheckpointHeaders
from weft.weights.checkpoint_files import PACKED_FILE
from weft.weights.packed_files import PackedFile


def inspect_checkpoint(directory: Path) -> ModelSpec:
    """The spec of a checkpoint whose config can be read and whose files hold all of its weights, by their headers;
    packed weights are read once.

    Raises `ConfigurationError` for what keeps it from being loaded.
    """
    spec = read_spec(directory)
    weights = PackedFile(directory / PACKED_FILE) if is_packed(directory) else CheckpointHeaders(directory)
    build_model(spec, weights, TorchOps(1), max_model_len=1)
    return spec
