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


def number_format(name: str) -> NumberFormat:
    """The format of that name; raises `ConfigurationError` for an unknown one."""
    for known in NumberFormat:
        if known.value == name:
            return known
    raise ConfigurationError(
        f"number format {name!r} is unknown; choose from {', '.join(known.value for known in NumberFormat)}"
    )
