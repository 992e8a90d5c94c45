"""Plans of network faults from a seed, each kind in some of them only.

Swarm testing (Groce et al., ISSTA 2012): runs that leave features out reach states that runs with all of them do not.
"""

from collections.abc import Sequence
from math import exp, inf, log
from random import Random

from weft.simulator.network_faults import Chances, Cut, NetworkFaultPlan, Slowdown

ON = 0.5
"""The chance of a kind to be in a plan."""

MOST_CUTS = 4
MOST_SLOWDOWNS = 3


def swarm_plan(
    seed: int,
    nodes: Sequence[str],
    horizon_s: float,
    heals_at_s: float = inf,
    healed: Sequence[str] | None = None,
) -> NetworkFaultPlan:
    """What goes wrong among these nodes in a run of `horizon_s`; for the last two see `NetworkFaultPlan`.

    Every kind is on or off, and how bad it is, by a stream of its own. Partitions and slowdowns begin within the run
    and some of them end in it; a quarter of the partitions cut a node off from, or for, all others.
    """
    return NetworkFaultPlan(
        _chances(seed),
        cuts=_cuts(_stream(seed, "cuts"), nodes, horizon_s),
        slowdowns=_slowdowns(_stream(seed, "slowdowns"), nodes, horizon_s),
        heals_at_s=heals_at_s,
        healed=healed,
    )


def _stream(seed: int, kind: str) -> Random:
    return Random(f"{seed}/network/swarm/{kind}")


def _chances(seed: int) -> Chances:
    most = {"loss": 0.2, "duplication": 0.2, "delay": 0.5, "breaking": 0.3}
    chances = {kind: _chance(_stream(seed, kind), chance) for kind, chance in most.items()}
    most_delay_s = _between(_stream(seed, "most_delay_s"), 1e-4, 1.0)
    return Chances(**chances, most_delay_s=most_delay_s)


def _chance(stream: Random, most: float) -> float:
    return _between(stream, most / 100, most) if stream.random() < ON else 0.0


def _between(stream: Random, least: float, most: float) -> float:
    """Evenly over orders of magnitude."""
    return exp(stream.uniform(log(least), log(most)))


def _cuts(stream: Random, nodes: Sequence[str], horizon_s: float) -> tuple[Cut, ...]:
    if len(nodes) < 2 or stream.random() >= ON:
        return ()
    return tuple(_cut(stream, nodes, horizon_s) for _ in range(stream.randint(1, MOST_CUTS)))


def _cut(stream: Random, nodes: Sequence[str], horizon_s: float) -> Cut:
    ends: list[str | None] = list(stream.sample(nodes, 2))
    if stream.random() < 0.25:
        ends[stream.randrange(2)] = None
    return Cut(ends[0], ends[1], *_times(stream, horizon_s))


def _slowdowns(stream: Random, nodes: Sequence[str], horizon_s: float) -> tuple[Slowdown, ...]:
    if not nodes or stream.random() >= ON:
        return ()
    return tuple(
        Slowdown(stream.choice(nodes), _between(stream, 2.0, 1000.0), *_times(stream, horizon_s))
        for _ in range(stream.randint(1, MOST_SLOWDOWNS))
    )


def _times(stream: Random, horizon_s: float) -> tuple[float, float]:
    from_s = stream.uniform(0.0, horizon_s)
    return from_s, from_s + _between(stream, horizon_s / 1000, horizon_s)
