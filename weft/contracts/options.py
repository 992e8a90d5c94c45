"""How a model is to be served on this machine: what users set, from Python and from the command line alike."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import number_format
from weft.contracts.state import DEFAULT_BLOCK_TOKENS

AUTO = "auto"
NO_QUANTIZATION = "none"
PACKED_QUANTIZATIONS = (NO_QUANTIZATION, "int8", "int4", "int4-32", "int4-64", "int4-128")
"""In what formats weights are packed; int4-64: in groups of 64 inputs."""
A16 = "-a16"
"""Behind the name of such a format: its weights, but activations stay in the number format of the model."""
QUANTIZATIONS = (*PACKED_QUANTIZATIONS, *(f"{kind}{A16}" for kind in PACKED_QUANTIZATIONS[1:]))
KV_CACHE_DTYPES = (AUTO, "int8")


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """Where to compute, in what format, and how much at once. None and "auto" are derived.

    `backend`: `torch` (any device), `reference` (the same bits whatever else runs, float32 on the CPU), or `cpu`
    (kernels of our own); auto: `cpu` where it can serve the model and no GPU is there or asked for, else `torch`.
    `quantization`: of the weights of linear layers on backend `cpu`: int8, int4 (also int4-32, int4-64, int4-128 by
    its groups), or none; activations become int8 there, or with -a16 behind the name (int8-a16) stay as they are.
    `device`: of torch; auto: a GPU where there is one. `dtype`: number format of weights in memory, of arithmetic and
    of the cache; auto: float32 for `reference`, else the checkpoint's.
    `kv_cache_dtype`: of keys and values; auto: as `dtype`; int8, with a scale per token and head, on backend `cpu`.
    `max_model_len`: the most tokens of a sequence, prompt and output; None: the model's own. `max_num_seqs`:
    the most sequences that run at once. `max_num_batched_tokens`: the most tokens of a step.
    `kv_cache_memory_bytes`: for keys and values; None: what the sequences above could need, and at most half
    of the memory that is free after loading (on a GPU nine tenths). `swap_memory_bytes`: of host memory for
    the state of preempted sequences. `block_tokens`: tokens of a block of the cache. `enable_prefix_caching`:
    reuse the state of equal prefixes. `num_threads`: that one step may use on a CPU; None: as many as this
    process may use. `depth`: steps in flight.
    """

    backend: str = AUTO
    device: str = AUTO
    dtype: str = AUTO
    quantization: str = NO_QUANTIZATION
    kv_cache_dtype: str = AUTO
    max_model_len: int | None = None
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    kv_cache_memory_bytes: int | None = None
    swap_memory_bytes: int = 0
    block_tokens: int = DEFAULT_BLOCK_TOKENS
    enable_prefix_caching: bool = True
    num_threads: int | None = None
    depth: int = 2

    def __post_init__(self) -> None:
        if self.dtype != AUTO:
            number_format(self.dtype)
        for name in ("max_num_seqs", "max_num_batched_tokens", "block_tokens", "depth"):
            self._at_least(name, 1)
        for name in ("max_model_len", "kv_cache_memory_bytes", "num_threads"):
            if getattr(self, name) is not None:
                self._at_least(name, 1)
        self._at_least("swap_memory_bytes", 0)
        if self.max_num_seqs > self.max_num_batched_tokens:
            raise ConfigurationError(
                f"max_num_seqs is {self.max_num_seqs}, above max_num_batched_tokens ({self.max_num_batched_tokens}): "
                "each running sequence takes a token of every step; lower the first or raise the second"
            )

    def _at_least(self, name: str, least: int) -> None:
        if getattr(self, name) < least:
            raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least {least}")


def serving_options(values: Mapping[str, Any]) -> ServingOptions:
    """Options by name; raises `ConfigurationError` for a name that is unknown, with the one that was meant."""
    known = [field.name for field in fields(ServingOptions)]
    for name in values:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            advice = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise ConfigurationError(f"option {name} is unknown; {advice}")
    return ServingOptions(**values)
