"""Named places in the serving code at which a test or a campaign can make something fail.

A module declares its points when it is imported and calls `fault(name)` where the failure would strike:

    SWAP_OUT = declare_fault_point("kv.swap_out", "the copy to the host tier fails")
    ...
    fault(SWAP_OUT)

Without an armed plan that call does nothing. The armed plan is one per process, whatever thread calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from random import Random

from weft.contracts.errors import ConfigurationError, InvariantViolation

_POINTS: dict[str, str] = {}


class InjectedFault(Exception):
    """A failure that the armed plan put at a fault point; `call_number` counts the point's calls from 1."""

    def __init__(self, name: str, call_number: int) -> None:
        super().__init__(f"injected fault at {name!r}, call {call_number}")
        self.name = name
        self.call_number = call_number


def declare_fault_point(name: str, meaning: str) -> str:
    """Make a fault point known, with what its failure stands for, and return its name.

    Raises ConfigurationError where the name is taken with another meaning.
    """
    if _POINTS.setdefault(name, meaning) != meaning:
        raise ConfigurationError(
            f"fault point {name!r} is declared already, meaning {_POINTS[name]!r}; choose another name"
        )
    return name


def fault_points() -> dict[str, str]:
    """All declared fault points and their meanings, by name in alphabetical order."""
    return dict(sorted(_POINTS.items()))


class FaultPlan(ABC):
    """Decides which calls of which fault points fail, and counts.

    `names`: the points that may fail. `calls` and `injected`: per point called (also those that may not
    fail), how often it was called and failed while armed. A plan counts over its whole life: use a fresh
    one for each run.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.calls: dict[str, int] = {}
        self.injected: dict[str, int] = {}

    @abstractmethod
    def fails(self, name: str, call_number: int) -> bool:
        """Whether this call fails. Asked exactly once per call, in order."""

    def consult(self, name: str) -> None:
        """Count a call of a point, and raise InjectedFault where it is to fail.

        Raises InvariantViolation where the point was never declared.
        """
        if name not in _POINTS:
            raise InvariantViolation("fault_point_declared", f"fault({name!r}): {_advice(name)}")
        call_number = self.calls.get(name, 0) + 1
        self.calls[name] = call_number
        if self.fails(name, call_number):
            self.injected[name] = self.injected.get(name, 0) + 1
            raise InjectedFault(name, call_number)


class FailNth(FaultPlan):
    """The `n`-th call (from 1) of one point fails, and no other.

    Raises ConfigurationError where `n` is below 1.
    """

    def __init__(self, name: str, n: int) -> None:
        if n < 1:
            raise ConfigurationError(f"n is {n}; calls are counted from 1")
        super().__init__((name,))
        self.n = n

    def fails(self, name: str, call_number: int) -> bool:
        return name == self.names[0] and call_number == self.n


class FailWith(FaultPlan):
    """Each call of a point listed fails with its probability; points not listed never fail.

    Each point draws from its own stream, seeded by `seed` and its name, so that calls of one point do not
    shift the failures of another. With no probabilities the plan only counts calls.
    Raises ConfigurationError where a probability is outside 0 to 1.
    """

    def __init__(self, probabilities: Mapping[str, float], seed: int) -> None:
        for name, probability in probabilities.items():
            if not 0 <= probability <= 1:
                raise ConfigurationError(f"probability of {name!r} is {probability}; give one from 0 to 1")
        super().__init__(probabilities)
        self._probabilities = dict(probabilities)
        self._streams = {name: Random(f"{seed}/{name}") for name in probabilities}

    def fails(self, name: str, call_number: int) -> bool:
        stream = self._streams.get(name)
        return stream is not None and stream.random() < self._probabilities[name]


_armed_plan: FaultPlan | None = None


def fault(name: str) -> None:
    """A place that can fail: raises InjectedFault where the armed plan says so, else does nothing."""
    if _armed_plan is not None:
        _armed_plan.consult(name)


@contextmanager
def armed(plan: FaultPlan) -> Iterator[FaultPlan]:
    """Put a plan in force for a `with` block.

    Raises ConfigurationError where the plan names an undeclared point, or another plan is in force.
    """
    global _armed_plan
    for name in plan.names:
        if name not in _POINTS:
            raise ConfigurationError(f"cannot arm fault point {name!r}: {_advice(name)}")
    if _armed_plan is not None:
        raise ConfigurationError(f"a plan for {_armed_plan.names} is armed already; plans do not nest")
    _armed_plan = plan
    try:
        yield plan
    finally:
        _armed_plan = None


def _advice(name: str) -> str:
    close = get_close_matches(name, _POINTS, n=1)
    if close:
        return f"no such point is declared; did you mean {close[0]!r}?"
    known = ", ".join(sorted(_POINTS)) or "none; import the module that declares it"
    return f"no such point is declared; declared are: {known}"
