"""Figures and their sources: none without one, and none used that is not there."""

from collections.abc import Mapping

from weft.contracts.errors import ConfigurationError


def check_sources(owner: str, figures: Mapping[str, float | None], sources: Mapping[str, str]) -> None:
    """Raises `ConfigurationError` for a figure that is not above 0, or has no source. A name such as
    "peak_flops of int8" has that of "peak_flops"."""
    for name, value in figures.items():
        if value is None:
            continue
        if not 0.0 < value < float("inf"):
            raise ConfigurationError(f"{owner}: {name} is {value}; it must be a finite number above 0")
        if not sources.get(name.split(" of ")[0]):
            raise ConfigurationError(f"{owner}: {name} has no source; name the document that states it")


def needed(owner: str, name: str, value: float | None) -> float:
    """The figure; raises `ConfigurationError` where there is none."""
    if value is None:
        raise ConfigurationError(
            f"{owner}: no source states its {name}; give one with dataclasses.replace, and its source"
        )
    return value
