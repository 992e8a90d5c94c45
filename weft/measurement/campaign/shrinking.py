"""Makes a world that breaks an invariant smaller, as long as it breaks the same one.

Delta debugging (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 2002) over the lists
of a world; then every setting is tried at its default, and every number at half.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from typing import Any, TypeVar

from weft.contracts.errors import WeftError
from weft.measurement.campaign.playing import play
from weft.measurement.campaign.world import World

MOST_PLAYS = 400

LISTS = ("faults", "operations", "clients")
KEPT = ("seed", "mode", "core", "timing", *LISTS)
HALVED = ("max_tokens", "n", "beam_width", "shared", "own", "num_replicas", "num_nodes")

Plan = TypeVar("Plan")


def shrink(world: World, violation: str, most_plays: int = MOST_PLAYS) -> World:
    """The smallest world found that still breaks the invariant of that name."""
    shrinker = _Shrinker(world, violation, most_plays)
    shrinker.run()
    return shrinker.world


class _Shrinker:
    """`world`: the smallest so far."""

    def __init__(self, world: World, violation: str, most_plays: int) -> None:
        self.world, self._violation, self._plays_left = world, violation, most_plays

    def run(self) -> None:
        """Until nothing helps any more, or it has taken long enough."""
        before = None
        while before != self.world and self._plays_left:
            before = self.world
            for name in LISTS:
                self._shorten(name)
            self._try_all(lambda: _simpler(self.world, KEPT))
            self._try_all(self._with_simpler_engine)
            self._simplify_clients()

    def _is_good(self, world: World) -> bool:
        if not self._plays_left:
            return False
        self._plays_left -= 1
        if play(world).violation != self._violation:
            return False
        self.world = world
        return True

    def _shorten(self, name: str) -> None:
        """Leave out as much of a list as can be, in ever smaller pieces."""
        size = len(getattr(self.world, name))
        while size:
            start = 0
            while start < len(items := getattr(self.world, name)):
                shorter = replace(self.world, **{name: items[:start] + items[start + size :]})
                if not self._is_good(shorter):
                    start += size
            size //= 2

    def _try_all(self, candidates: Callable[[], Iterator[World]]) -> None:
        """Each that is smaller than the present world, once."""
        tried: list[World] = []
        progress = True
        while progress:
            progress = False
            for world in candidates():
                if world not in tried:
                    tried.append(world)
                    if self._is_good(world):
                        progress = True
                        break

    def _with_simpler_engine(self) -> Iterator[World]:
        for engine in _simpler(self.world.engine, ()):
            yield replace(self.world, engine=engine)

    def _simplify_clients(self) -> None:
        for index in range(len(self.world.clients)):
            self._try_all(lambda at=index: self._with_simpler_client(at))  # type: ignore[misc]

    def _with_simpler_client(self, index: int) -> Iterator[World]:
        clients = self.world.clients
        client = clients[index]
        simpler = [*_simpler(client, ("number", "at_s", "prompt"))]
        simpler += [replace(client, prompt=prompt) for prompt in _simpler(client.prompt, ())]
        for each in simpler:
            yield replace(self.world, clients=(*clients[:index], each, *clients[index + 1 :]))


def _simpler(plan: Plan, kept: tuple[str, ...]) -> Iterator[Plan]:
    """With one more field at its default, or at half."""
    described: Any = plan
    for field in fields(described):
        value, default = getattr(plan, field.name), _default(field)
        if field.name in kept or value == default:
            continue
        if default is not MISSING and not (field.name in HALVED and value < default):
            yield from _with(described, {field.name: default})
        if field.name in HALVED and value > 1:
            yield from _with(described, {field.name: value // 2})


def _with(plan: Any, changes: Mapping[str, object]) -> Iterator[Any]:
    """With these changes, unless that cannot be: faults may be of replicas that are no more."""
    with suppress(WeftError):
        yield replace(plan, **changes)


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return MISSING if field.default_factory is MISSING else field.default_factory()
