"""Bounds on what generators are asked for."""

from math import isfinite

from weft.contracts.errors import ConfigurationError

LEAST_RATE_PER_S = 1e-6
MOST_RATE_PER_S = 1e6
MOST_TOKENS = 10**8


def check_rate(rate_per_s: float) -> None:
    """Raises `ConfigurationError` for a rate that no deployment sees: below 1e-6 or above 1e6 requests/s."""
    if not (isfinite(rate_per_s) and LEAST_RATE_PER_S <= rate_per_s <= MOST_RATE_PER_S):
        raise ConfigurationError(
            f"the rate is {rate_per_s} requests/s; choose one from {LEAST_RATE_PER_S:g} to {MOST_RATE_PER_S:g}"
        )


def check_positive(name: str, value: float) -> None:
    """Raises `ConfigurationError` where a value is not a finite number above 0."""
    if not (isfinite(value) and value > 0):
        raise ConfigurationError(f"{name} is {value}; it must be a finite number above 0")


def check_at_least(name: str, value: float, least: float) -> None:
    """Raises `ConfigurationError` where a value is not a finite number of at least `least`."""
    if not (isfinite(value) and value >= least):
        raise ConfigurationError(f"{name} is {value}; it must be a finite number, {least:g} or more")
