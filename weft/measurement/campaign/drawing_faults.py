"""What goes wrong, and what is done meanwhile: each kind in some worlds only."""

from collections.abc import Callable, Iterator
from math import exp, log
from random import Random
from typing import get_args

from weft.measurement.campaign.faults import (
    FRONT,
    Babble,
    Crash,
    DrainOne,
    End,
    EngineFault,
    FailureClock,
    Fault,
    Garbage,
    HangingStart,
    LateKills,
    MessageChance,
    Mishap,
    Movement,
    NodeCrash,
    NodeReclaim,
    Operation,
    Partition,
    Restart,
    Slow,
    SlowLinks,
    StaleTelemetry,
    StartFailures,
    StepFailures,
    SwapFailures,
    Wedge,
)
from weft.measurement.campaign.world import World
from weft.observation.faults import fault_points

ON = 0.22
"""The chance of a kind to be in a world."""

ENGINE_ROOMS = ("engine", "policy", "pool", "swap")


def draw_faults(frame: World) -> tuple[Fault, ...]:
    """None at all in a tenth of the worlds; in liveness mode the core has none."""
    random = Random(f"{frame.seed}/{frame.mode}/campaign/calm")
    return () if random.random() < 0.1 else tuple(_Trouble(frame).all())


class _Trouble:
    """Draws of one world. `victims`, `nodes`: whom it may befall."""

    def __init__(self, frame: World) -> None:
        self._frame = frame
        self._is_lasting = frame.mode == "liveness"
        spared = frame.core if self._is_lasting else None
        self._victims = [number for number in range(frame.num_replicas) if number != spared]
        self._nodes = [number for number in range(frame.num_nodes) if number != spared]

    def all(self) -> Iterator[Fault]:
        """Kind by kind."""
        kinds: list[Callable[[Random], Iterator[Fault]]] = [
            self._crashes,
            self._node_crashes,
            self._reclaims,
            self._clocks,
            self._start_failures,
            self._hanging_starts,
            self._slowness,
            self._wedges,
            self._step_failures,
            self._swap_failures,
            self._messages,
            self._partitions,
            self._slow_links,
            self._garbage,
            self._stale_telemetry,
            self._late_kills,
            self._cut_off,
            self._sick,
        ]
        if not self._is_lasting:
            kinds.append(self._engine_faults)
        for kind in kinds:
            random = Random(f"{self._frame.seed}/{self._frame.mode}/campaign/{kind.__name__}")
            if random.random() < ON:
                yield from kind(random)

    def _moment(self, random: Random) -> float:
        return round(random.uniform(0.0, self._frame.heals_at_s), 3)

    def _span(self, random: Random) -> tuple[float, float | None]:
        """Some last until everything heals, or for ever where nothing does."""
        from_s = self._moment(random)
        if random.random() < 0.4:
            return from_s, None
        return from_s, round(from_s + _between(random, 0.05, self._frame.heals_at_s), 3)

    def _crashes(self, random: Random) -> Iterator[Fault]:
        for _ in range(random.choice([1, 2, 4, 8])):
            yield Crash(random.choice(self._victims), self._moment(random), random.random() < 0.5)
        if random.random() < 0.4:
            yield LateKills(random.choice([0.3, 1.0, 3.0]))

    def _node_crashes(self, random: Random) -> Iterator[Fault]:
        for _ in range(random.choice([1, 2, 4])):
            yield NodeCrash(random.choice(self._nodes), self._moment(random), random.random() < 0.5)

    def _reclaims(self, random: Random) -> Iterator[Fault]:
        for _ in range(random.choice([1, 2])):
            yield NodeReclaim(random.choice(self._nodes), self._moment(random))

    def _clocks(self, random: Random) -> Iterator[Fault]:
        if not self._is_lasting:
            mean_s = _between(random, 1.0, 20.0)
            ends = random.choice(get_args(End))
            yield FailureClock(ends, round(mean_s, 3), random.choice([0.7, 1.0, 2.0]), random.random() < 0.5)

    def _start_failures(self, random: Random) -> Iterator[Fault]:
        for victim in self._some(random):
            yield StartFailures(victim, random.choice([0.5, 1.0]), *self._span(random))

    def _hanging_starts(self, random: Random) -> Iterator[Fault]:
        for victim in self._some(random):
            yield HangingStart(victim, *self._span(random))

    def _slowness(self, random: Random) -> Iterator[Fault]:
        for victim in self._some(random):
            yield Slow(victim, round(_between(random, 2.0, 50.0), 1), *self._span(random))

    def _wedges(self, random: Random) -> Iterator[Fault]:
        for victim in self._some(random):
            yield Wedge(victim, *self._span(random))

    def _step_failures(self, random: Random) -> Iterator[Fault]:
        for victim in self._some(random):
            yield StepFailures(victim, random.choice([0.02, 0.2, 1.0]), *self._span(random))

    def _swap_failures(self, random: Random) -> Iterator[Fault]:
        for victim in self._some(random):
            yield SwapFailures(victim, random.choice([0.1, 0.5, 1.0]), *self._span(random))

    def _messages(self, random: Random) -> Iterator[Fault]:
        most: dict[Mishap, float] = {"loss": 0.2, "duplication": 0.2, "delay": 0.5, "breaking": 0.5}
        late_s = round(_between(random, 1e-3, 1.0), 4)
        for kind, chance in most.items():
            if random.random() < 0.5:
                yield MessageChance(kind, round(_between(random, chance / 50, chance), 4), late_s)

    def _partitions(self, random: Random) -> Iterator[Fault]:
        for _ in range(random.choice([1, 2, 4])):
            source, target = random.sample([FRONT, random.choice(self._nodes)], 2)
            is_wide = random.random() < 0.15 and not self._is_lasting
            yield Partition(None if is_wide else source, target, *self._span(random))

    def _slow_links(self, random: Random) -> Iterator[Fault]:
        for _ in range(random.choice([1, 2])):
            node, factor = random.choice(self._nodes), round(_between(random, 2.0, 1000.0), 1)
            yield SlowLinks(node, factor, *self._span(random))

    def _garbage(self, random: Random) -> Iterator[Fault]:
        for _ in range(random.choice([1, 2, 4])):
            babble = random.choice(get_args(Babble))
            yield Garbage(random.choice(self._victims), babble, self._moment(random))

    def _stale_telemetry(self, random: Random) -> Iterator[Fault]:
        for victim in self._some(random):
            yield StaleTelemetry(victim, round(_between(random, 0.05, 2.0), 3), *self._span(random))

    def _late_kills(self, random: Random) -> Iterator[Fault]:
        yield LateKills(random.choice([0.05, 0.3, 1.0, 8.0, 8.0]))

    def _cut_off(self, random: Random) -> Iterator[Fault]:
        """Replicas that still work when they have not heard of their router for long, and nobody can end."""
        yield LateKills(self._frame.timing.lease_s + 2.0)
        yield Partition(FRONT, random.choice(self._nodes), *self._span(random))
        for victim in self._victims:
            yield Slow(victim, 50.0)

    def _sick(self, random: Random) -> Iterator[Fault]:
        """On some everything fails, until they are well again."""
        until_s = round(random.uniform(1.0, self._frame.heals_at_s), 3)
        for victim in self._some(random):
            yield StepFailures(victim, 1.0, 0.0, until_s)

    def _engine_faults(self, random: Random) -> Iterator[Fault]:
        for name in fault_points():
            if name.partition(".")[0] in ENGINE_ROOMS and random.random() < 0.5:
                yield EngineFault(name, random.choice([0.01, 0.05, 0.3]))

    def _some(self, random: Random) -> list[int]:
        return random.sample(self._victims, random.randint(1, len(self._victims)))


def draw_operations(frame: World) -> tuple[Operation, ...]:
    """What is done to the cluster while all that goes on. Some replicas are drained just before they crash."""
    random = Random(f"{frame.seed}/{frame.mode}/campaign/operations")
    found: list[Operation] = []
    numbers = range(frame.num_replicas)
    if random.random() < 0.2 and frame.mode == "safety":
        found.append(
            Restart(round(random.uniform(0.0, frame.heals_at_s), 3), random.choice([0.2, 1.0, 30.0]))
        )
    if random.random() < 0.2:
        drained = random.choice([each for each in numbers if frame.mode == "safety" or each != frame.core])
        found.append(DrainOne(drained, round(random.uniform(0.0, frame.heals_at_s), 3)))
    for crash in (each for each in frame.faults if isinstance(each, Crash)):
        if random.random() < 0.4:
            found.append(DrainOne(crash.replica, round(max(0.0, crash.at_s - random.uniform(0.0, 1.5)), 3)))
    if random.random() < 0.25 and frame.num_replicas > 1:
        for _ in range(random.choice([1, 4])):
            source, target = random.sample(numbers, 2)
            at_s = round(random.uniform(0.0, frame.heals_at_s), 3)
            found.append(Movement(source, target, at_s, random.choice([1000, 10**8, 10**10])))
    return tuple(found)


def _between(random: Random, least: float, most: float) -> float:
    """Evenly over orders of magnitude."""
    return exp(random.uniform(log(least), log(most)))
