"""How long a cluster waits for what."""

from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `heartbeat_s`: between signs of life, in both directions. `lost_after_s`: a replica that is silent, or
    acknowledges nothing, for so long is lost; four heartbeats. `stalled_after_s`: so is one that has work and ends no
    step. `patience_s`: a request whose replica was lost waits at most so long for another. `restart_s`: before the
    first attempt to start a lost replica anew, twice as long before each next one, up to `most_restart_s`. One that is
    not ready `start_s` after that is lost, too.
    """

    heartbeat_s: float = 0.25
    lost_after_s: float = 1.0
    stalled_after_s: float = 60.0
    patience_s: float = 60.0
    restart_s: float = 0.5
    most_restart_s: float = 30.0
    start_s: float = 900.0

    def __post_init__(self) -> None:
        for name in (
            "heartbeat_s",
            "stalled_after_s",
            "patience_s",
            "restart_s",
            "most_restart_s",
            "start_s",
        ):
            value = getattr(self, name)
            if not value > 0.0:
                raise ConfigurationError(f"{name} is {value}; it must be above 0 seconds")
        if not self.lost_after_s >= 2.0 * self.heartbeat_s:
            raise ConfigurationError(
                f"lost_after_s is {self.lost_after_s}; it must be at least two heartbeats ({2 * self.heartbeat_s} s), "
                "or one that is late would do"
            )

    @property
    def lease_s(self) -> float:
        """A replica that hears nothing for so long has been given up, and gives up its requests. Long enough for a
        router that stood still for a while."""
        return 30.0 * self.lost_after_s
