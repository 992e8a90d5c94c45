"""How long starting an actor takes, and how long nodes live, as data; draws come from streams that are handed in."""

from dataclasses import dataclass
from math import gamma, inf
from random import Random

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ColdStart:
    """An actor is ready after `fixed_s`, and the time in which `load_bytes` of weights come at `load_bandwidth` bytes
    per second, both times a log-normal factor of median 1 and `spread` as its logarithm's standard deviation.

    Raises `ConfigurationError` for figures that cannot be, and for bytes without bandwidth.
    """

    fixed_s: float = 0.0
    load_bytes: int = 0
    load_bandwidth: float | None = None
    spread: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fixed_s", "load_bytes", "spread"):
            if not 0 <= getattr(self, name) < inf:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be finite and at least 0")
        if self.load_bandwidth is not None and not 0.0 < self.load_bandwidth < inf:
            raise ConfigurationError(f"load_bandwidth is {self.load_bandwidth}; give a finite one above 0")
        if (self.load_bandwidth is None) == (self.load_bytes > 0):
            raise ConfigurationError("give load_bytes and load_bandwidth, or neither")

    def seconds(self, stream: Random) -> float:
        """Of one start."""
        load_s = 0.0 if self.load_bandwidth is None else self.load_bytes / self.load_bandwidth
        factor = stream.lognormvariate(0.0, self.spread) if self.spread else 1.0
        return (self.fixed_s + load_s) * factor


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Weibull-distributed seconds: of mean `mean_s`, and with a `shape` of 1 exponential, below it early failures.

    Raises `ConfigurationError` for figures that are not finite and above 0.
    """

    mean_s: float
    shape: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.mean_s < inf or not 0.0 < self.shape < inf:
            raise ConfigurationError(
                f"a lifetime of mean_s {self.mean_s} and shape {self.shape}; give finite figures above 0"
            )

    def seconds(self, stream: Random) -> float:
        """Of one life."""
        return stream.weibullvariate(self.mean_s / gamma(1.0 + 1.0 / self.shape), self.shape)


@dataclass(frozen=True, slots=True)
class NodeFaults:
    """What ends nodes, until `heals_at_s`: `crashes` without a word, `reclaims` (of spot capacity) with `notice_s`
    before; each begins anew when a node comes back, `away_s` after it has gone (inf: never).

    Raises `ConfigurationError` for times that cannot be.
    """

    crashes: Lifetime | None = None
    reclaims: Lifetime | None = None
    notice_s: float = 120.0
    away_s: float = inf
    heals_at_s: float = inf

    def __post_init__(self) -> None:
        if not 0.0 <= self.notice_s < inf:
            raise ConfigurationError(f"notice_s is {self.notice_s}; it must be finite and at least 0")
        if not self.away_s > 0.0 or not self.heals_at_s >= 0.0:
            raise ConfigurationError(
                f"away_s is {self.away_s} and heals_at_s {self.heals_at_s}; give a time above 0, and one of at least 0"
            )


NO_NODE_FAULTS = NodeFaults()
"""Nodes live for ever."""
