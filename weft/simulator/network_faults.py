"""What goes wrong on the simulated fabric, as data, and when it strikes, from a seed.

Chance strikes single messages and transfers; partitions and slow links last. A `FaultPlan` of the observation room
fails calls of the serving code; here the code is well and the world around it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random

from weft.contracts.errors import ConfigurationError
from weft.observation.conditions import sometimes

LOST = sometimes("fabric: a message was lost")
DUPLICATED = sometimes("fabric: a message came twice")
DELAYED = sometimes("fabric: a message came late")
CUT = sometimes("fabric: a message ran into a partition")
BROKEN = sometimes("fabric: a transfer broke halfway")
TRANSFER_CUT = sometimes("fabric: a partition broke a transfer")
SLOWED = sometimes("fabric: the links of a node were slowed")

KINDS = {
    "loss": LOST,
    "duplication": DUPLICATED,
    "delay": DELAYED,
    "breaking": BROKEN,
    "cut": CUT,
    "cut of a transfer": TRANSFER_CUT,
    "slowdown": SLOWED,
}
"""By the name under which `NetworkFaults.hits` counts."""


@dataclass(frozen=True, slots=True)
class Chances:
    """From 0 to 1 each: that a message is lost, that it comes twice, that it is late by up to `most_delay_s` (evenly;
    so is the second of two), that a transfer breaks (at any of its bytes, evenly).

    Raises `ConfigurationError` for a chance outside 0 to 1, and for delays without a `most_delay_s`.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay: float = 0.0
    breaking: float = 0.0
    most_delay_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss", "duplication", "delay", "breaking"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigurationError(
                    f"the chance of {name} is {getattr(self, name)}; give one from 0 to 1"
                )
        if not 0.0 <= self.most_delay_s < inf or (self.delay and not self.most_delay_s):
            raise ConfigurationError(
                f"most_delay_s is {self.most_delay_s}; it must be finite, and above 0 where there is a chance of delay"
            )


NEVER = Chances()


@dataclass(frozen=True, slots=True)
class Cut:
    """A partition in one direction: nothing goes from node to node, None standing for any other, from a time to
    another. Raises `ConfigurationError` for times that cannot be."""

    source: str | None
    target: str | None
    from_s: float = 0.0
    until_s: float = inf

    def __post_init__(self) -> None:
        _check_times(self)

    def holds(self, source: str, target: str, now_s: float) -> bool:
        """Whether it stops what leaves a node for another now."""
        is_between = self.source in (None, source) and self.target in (None, target) and source != target
        return is_between and on_clock(self.from_s) <= now_s < on_clock(self.until_s)


@dataclass(frozen=True, slots=True)
class Slowdown:
    """All channels of a node have `factor` times the latency and that part of their bandwidth, from a time to another.

    Raises `ConfigurationError` for a factor below 1 and for times that cannot be."""

    node: str
    factor: float
    from_s: float = 0.0
    until_s: float = inf

    def __post_init__(self) -> None:
        _check_times(self)
        if not 1.0 <= self.factor < inf:
            raise ConfigurationError(
                f"node {self.node!r} is slowed by {self.factor}; give a finite factor of at least 1"
            )


@dataclass(frozen=True, slots=True)
class NetworkFaultPlan:
    """All that may go wrong between nodes; within one, only slowness does. `between`: chances from one node to another,
    where they are not those of all. `silence_s`: how long an end of a connection that a partition cuts waits for a sign
    of the other one before it counts it as lost.

    From `heals_at_s` on nothing goes wrong among `healed`, or among all nodes where that is None: then progress can be
    demanded of them.
    """

    chances: Chances = NEVER
    between: Mapping[tuple[str, str], Chances] = field(default_factory=dict)
    cuts: Sequence[Cut] = ()
    slowdowns: Sequence[Slowdown] = ()
    silence_s: float = 1.0
    heals_at_s: float = inf
    healed: Sequence[str] | None = None

    def is_healed(self, source: str, target: str, now_s: float) -> bool:
        """Whether nothing goes wrong from one node to another any more."""
        if now_s < on_clock(self.heals_at_s):
            return False
        return self.healed is None or (source in self.healed and target in self.healed)


NOTHING = NetworkFaultPlan()
"""Goes wrong."""


class NetworkFaults:
    """A plan under way. Each kind draws from a stream of its own, so that no kind shifts another.

    `hits`: by kind, how often it struck. `spares_messages`: none of them can ever be lost, doubled or late.
    """

    def __init__(self, plan: NetworkFaultPlan = NOTHING, seed: int = 0) -> None:
        self.plan = plan
        self.hits = dict.fromkeys(KINDS, 0)
        chances = (plan.chances, *plan.between.values())
        self.spares_messages = not plan.cuts and not any(
            each.loss or each.duplication or each.delay for each in chances
        )
        self._streams = {kind: Random(f"{seed}/network/{kind}") for kind in KINDS}

    def hit(self, kind: str) -> None:
        """It struck."""
        self.hits[kind] += 1
        KINDS[kind].hit()

    def delays(self, source: str, target: str, now_s: float) -> Sequence[float]:
        """Of a message from one node to another: by how many seconds each of its copies is late. None: it is lost."""
        chances = self._chances(source, target, now_s)
        lost = self._strikes("loss", chances.loss)
        copies = [self._delay(chances)]
        if self._strikes("duplication", chances.duplication):
            copies.append(self._streams["duplication"].uniform(0.0, chances.most_delay_s))
        if self.is_cut(source, target, now_s):
            self.hit("cut")
            return ()
        if lost:
            self.hit("loss")
            return ()
        if len(copies) > 1:
            self.hit("duplication")
        if copies[0]:
            self.hit("delay")
        return copies

    def _delay(self, chances: Chances) -> float:
        if not self._strikes("delay", chances.delay):
            return 0.0
        return self._streams["delay"].uniform(0.0, chances.most_delay_s)

    def breaks_after(self, source: str, target: str, now_s: float) -> float:
        """The part of a transfer's bytes after which it breaks; 1 where it does not."""
        chances = self._chances(source, target, now_s)
        breaks = self._strikes("breaking", chances.breaking)
        return self._streams["breaking"].random() if breaks else 1.0

    def is_cut(self, source: str, target: str, now_s: float) -> bool:
        """Whether a partition stops what leaves a node for another now."""
        if not any(cut.holds(source, target, now_s) for cut in self.plan.cuts):
            return False
        return not self.plan.is_healed(source, target, now_s)

    def slowness(self, node: str, now_s: float) -> float:
        """By what factor the channels of a node are slowed now; slowdowns that overlap are multiplied."""
        factor = 1.0
        for each in self.plan.slowdowns:
            if each.node == node and on_clock(each.from_s) <= now_s < on_clock(each.until_s):
                factor *= each.factor
        return 1.0 if self.plan.is_healed(node, node, now_s) else factor

    def _strikes(self, kind: str, chance: float) -> bool:
        return chance > 0.0 and self._streams[kind].random() < chance

    def _chances(self, source: str, target: str, now_s: float) -> Chances:
        if source == target or self.plan.is_healed(source, target, now_s):
            return NEVER
        return self.plan.between.get((source, target), self.plan.chances)


def on_clock(time_s: float) -> float:
    """The time at which a timer for it runs: whole nanoseconds, as virtual time has them."""
    return time_s if time_s == inf else round(time_s * 1e9) / 1e9


def _check_times(lasting: Cut | Slowdown) -> None:
    if not 0.0 <= lasting.from_s < lasting.until_s:
        raise ConfigurationError(
            f"a {type(lasting).__name__.lower()} lasts from {lasting.from_s} s to {lasting.until_s} s; give a time of "
            "at least 0 and a later one"
        )
