"""One accelerator or processor as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import AnyFormat
from weft.hardware.figures import check_sources, needed

ARITHMETIC = ("float32", "tf32", "float16", "bfloat16", "float8", "int8", "float4")
"""What peaks are stated for; the names of number formats are among them."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a data sheet says of a device. A figure without a source is None, and refused where it is needed.

    `peak_flops`: dense products per second by arithmetic, accumulated in float32, at `peak_frequency_hz`.
    `memory_bytes`, `memory_bandwidth`: of the device's own memory, in bytes (a vendor's GB are 2**30) and bytes per
    second. `cache_bytes`, `cache_bandwidth`: of the largest cache that all units share. `num_multiprocessors`: these
    units, stated where it was measured how kernels wait for the longest sequence. `power_idle_watts`,
    `power_peak_watts`: of the whole board. `lowest_frequency_hz`: to which the clock can be set. `price_per_hour`: in
    US dollars. `sources`: by the name of each figure, the document and the place in it.
    """

    name: str
    peak_flops: Mapping[str, float]
    memory_bytes: int | None = None
    memory_bandwidth: float | None = None
    cache_bytes: int | None = None
    cache_bandwidth: float | None = None
    power_idle_watts: float | None = None
    power_peak_watts: float | None = None
    peak_frequency_hz: float | None = None
    lowest_frequency_hz: float | None = None
    price_per_hour: float | None = None
    num_multiprocessors: int | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for arithmetic in self.peak_flops:
            if arithmetic not in ARITHMETIC:
                raise ConfigurationError(
                    f"{self.name}: peak_flops has {arithmetic!r}; choose from {', '.join(ARITHMETIC)}"
                )
        figures = {each.name: getattr(self, each.name) for each in fields(self)[2:-1]}
        peaks = {f"peak_flops of {name}": value for name, value in self.peak_flops.items()}
        check_sources(self.name, figures | peaks, self.sources)

    def peak(self, number_format: AnyFormat) -> float:
        """Dense flops per second in a format; raises `ConfigurationError` where no source states them."""
        peak = self.peak_flops.get(number_format.value)
        if peak is None:
            raise ConfigurationError(
                f"{self.name}: no source states its peak_flops of {number_format.value}, only of "
                f"{', '.join(self.peak_flops)}; compute in one of these, or give one with dataclasses.replace"
            )
        return peak

    def figure(self, name: str) -> float:
        """A figure by its field's name; raises `ConfigurationError` where no source states it."""
        value: float | None = getattr(self, name)
        return needed(self.name, name, value)
