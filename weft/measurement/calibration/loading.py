"""A model as a server would load it, with blocks to swap to."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.contracts.options import ServingOptions, serving_options
from weft.contracts.state import PagedGroup
from weft.model_specs.families import read_spec
from weft.model_specs.model_spec import ModelSpec

if TYPE_CHECKING:
    from weft.executor.loading import Serving

SWAP_BLOCKS = 64
"""In host memory, where the options leave none: enough to tell what a block takes."""


def load_for_calibration(directory: Path, given: Mapping[str, Any]) -> "Serving":
    """`given`: fields of `ServingOptions`, by name. Raises `ConfigurationError` for what keeps it from being served."""
    from weft.executor.backend_choice import with_backend  # here, because torch comes with these
    from weft.executor.loading import load_serving
    from weft.executor.packed_loading import settled

    spec = read_spec(directory)
    options = with_backend(settled(directory, serving_options(given)), spec)
    if options.swap_memory_bytes == 0:
        room_bytes = SWAP_BLOCKS * _block_bytes(spec, options)
        options = replace(options, swap_memory_bytes=room_bytes)
    return load_serving(directory, options)


def _block_bytes(spec: ModelSpec, options: ServingOptions) -> int:
    """Of all state groups together."""
    from weft.executor.backend_choice import choose_format
    from weft.executor.cache_format import choose_cache_format

    layout = choose_cache_format(choose_format(spec, options), options).layout(spec, options.block_tokens)
    paged = [group for group in layout.groups if isinstance(group, PagedGroup)]
    return sum(group.bytes_per_token * options.block_tokens for group in paged)
