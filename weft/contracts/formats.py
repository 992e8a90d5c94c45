"""Number formats of weights, state and arithmetic."""

from enum import Enum

from weft.contracts.errors import ConfigurationError


class NumberFormat(Enum):
    """A format by its name in checkpoints and on the command line."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"

    @property
    def num_bytes(self) -> int:
        """Bytes per number."""
        return 4 if self is NumberFormat.FLOAT32 else 2

    @property
    def num_bits(self) -> int:
        """Bits per number."""
        return 8 * self.num_bytes


class NarrowFormat(Enum):
    """A format that numbers are quantised to, by the name under which devices state their peaks. Such numbers mean
    nothing without scales, so no model as a whole is in one."""

    FLOAT8 = "float8"
    INT8 = "int8"
    FLOAT4 = "float4"
    INT4 = "int4"

    @property
    def num_bits(self) -> int:
        """Bits per number, without its share of a scale."""
        return 8 if self in (NarrowFormat.FLOAT8, NarrowFormat.INT8) else 4


AnyFormat = NumberFormat | NarrowFormat
"""What an operand may be in."""


def number_format(name: str) -> NumberFormat:
    """The format of that name; raises `ConfigurationError` for an unknown one."""
    for known in NumberFormat:
        if known.value == name:
            return known
    raise ConfigurationError(
        f"number format {name!r} is unknown; choose from {', '.join(known.value for known in NumberFormat)}"
    )
