"""Which numbers of a model are in fewer bits than its arithmetic, and what their scales take.

Names are those of vLLM and of the checkpoints that it reads: `--quantization` for the linear layers,
`--kv-cache-dtype` for keys and values.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import AnyFormat, NarrowFormat, NumberFormat
from weft.contracts.options import AUTO


class ScaledFormat(NamedTuple):
    """Narrow numbers that share scales: each `group_numbers` of a row have one of `scale_bits` (its zero point, where
    there is one, included); None: the row has one."""

    number: NarrowFormat
    scale_bits: int
    group_numbers: int | None = None

    def row_bytes(self, size: int) -> int:
        """Of a row of `size` numbers with its scales, packed into whole bytes."""
        num_scales = 1 if self.group_numbers is None else -(-size // self.group_numbers)
        return -(-(size * self.number.num_bits + num_scales * self.scale_bits) // 8)


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the linear layers of attention, feed-forwards and experts are quantised.

    Embeddings, norms, biases, routers, logits and the products per head of latent attention stay as they are, as in
    vLLM. `weight`: a row is what one output is made of. `inputs`: of a token's row, quantised as the step runs; the
    product is computed in that format then. None: weights are widened as they are read, and the product is computed
    in the format of activations.
    """

    name: str
    weight: ScaledFormat
    inputs: ScaledFormat | None = None


_PER_ROW_FLOAT8 = ScaledFormat(NarrowFormat.FLOAT8, 32)
_PER_ROW_INT8 = ScaledFormat(NarrowFormat.INT8, 32)
_ASYMMETRIC_INT4 = ScaledFormat(NarrowFormat.INT4, 16 + 4, 128)
_NVFP4 = ScaledFormat(NarrowFormat.FLOAT4, 8, 16)

QUANTIZATIONS: dict[str, Quantization] = {
    each.name: each
    for each in (
        # e4m3 (Micikevicius et al., arXiv 2209.05433), a float32 scale per output and per token
        Quantization("fp8", _PER_ROW_FLOAT8, _PER_ROW_FLOAT8),
        # SmoothQuant (arXiv 2211.10438), section 3: int8 products, a scale per output and per token
        Quantization("w8a8", _PER_ROW_INT8, _PER_ROW_INT8),
        # a 16-bit scale per output, and per group of 128 inputs of it
        Quantization("w8a16", ScaledFormat(NarrowFormat.INT8, 16)),
        Quantization("w4a16", ScaledFormat(NarrowFormat.INT4, 16, 128)),
        # AWQ (arXiv 2306.00978) and GPTQ (arXiv 2210.17323) as their checkpoints store them: a zero point as well
        Quantization("awq", _ASYMMETRIC_INT4),
        Quantization("gptq", _ASYMMETRIC_INT4),
        # NVIDIA Blackwell Architecture technical brief (2024): e2m1 with an e4m3 scale per 16 numbers
        Quantization("nvfp4", _NVFP4, _NVFP4),
    )
}
"""By the name that users give."""

STATE_FORMATS: dict[str, AnyFormat] = {
    **{each.value: each for each in NumberFormat},
    "fp8": NarrowFormat.FLOAT8,
    "fp8_e4m3": NarrowFormat.FLOAT8,
    "fp8_e5m2": NarrowFormat.FLOAT8,
    "int8": NarrowFormat.INT8,
}
"""Of keys and values, which are then scaled per tensor: their scales take nothing to speak of."""


def find_quantization(name: str | None) -> Quantization | None:
    """That of the name, None for None; raises `ConfigurationError` for an unknown one."""
    if name is not None and name not in QUANTIZATIONS:
        raise ConfigurationError(f"quantization {name!r} is unknown; {_advice(name, QUANTIZATIONS)}")
    return None if name is None else QUANTIZATIONS[name]


def find_state_format(name: str, default: NumberFormat) -> AnyFormat:
    """That of the name, the default for "auto"; raises `ConfigurationError` for an unknown one."""
    if name == AUTO:
        return default
    if name not in STATE_FORMATS:
        raise ConfigurationError(
            f"kv_cache_dtype {name!r} is unknown; {_advice(name, [AUTO, *STATE_FORMATS])}"
        )
    return STATE_FORMATS[name]


def _advice(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name.lower(), list(known), n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"choose from {', '.join(known)}"
