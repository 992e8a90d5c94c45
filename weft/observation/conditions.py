"""Conditions that must always hold, should hold sometimes, or must never be reached, with hit counts.

A module declares its conditions when it is imported:

    PREEMPTED_TWICE = sometimes("scheduler.preempted_twice")
    ...
    PREEMPTED_TWICE.hit()

A campaign that ends with a *sometimes* condition at zero hits has not tested what it claims to test.
Counts of several processes are merged as reports. Hits made by several threads at once may be miscounted.
"""

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple, NoReturn, TypeVar

from weft.contracts.errors import ConfigurationError, InvariantViolation

Detail = Callable[[], str] | str
"""What was seen; a function is called only where a violation is raised."""


class Kind(Enum):
    """How often a condition must hold."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"


class Condition:
    """A named condition; `hits` is how often it was reached (for *always*: how often it was checked)."""

    __slots__ = ("hits", "name")
    kind: Kind

    def __init__(self, name: str) -> None:
        self.name = name
        self.hits = 0

    def _violation(self, detail: Detail) -> InvariantViolation:
        return InvariantViolation(self.name, detail if isinstance(detail, str) else detail())


class Sometimes(Condition):
    """A situation that tests ought to reach."""

    __slots__ = ()
    kind = Kind.SOMETIMES

    def hit(self) -> None:
        """The situation was reached."""
        self.hits += 1


class Always(Condition):
    """Something that must hold wherever it is checked."""

    __slots__ = ()
    kind = Kind.ALWAYS

    def check(self, holds: bool, detail: Detail) -> None:
        """Count a check; raises InvariantViolation where it does not hold."""
        self.hits += 1
        if not holds:
            raise self._violation(detail)


class Never(Condition):
    """A place that must not be reached."""

    __slots__ = ()
    kind = Kind.NEVER

    def reached(self, detail: Detail) -> NoReturn:
        """Count the hit and raise InvariantViolation."""
        self.hits += 1
        raise self._violation(detail)


class ConditionCount(NamedTuple):
    """A condition's kind and number of hits."""

    kind: Kind
    hits: int


Report = dict[str, ConditionCount]
"""Counts by name, in order of declaration."""

AnyCondition = TypeVar("AnyCondition", Sometimes, Always, Never)


class ConditionRegistry:
    """A set of conditions. The module's functions use one for the whole process."""

    def __init__(self) -> None:
        self._conditions: dict[str, Condition] = {}

    def sometimes(self, name: str) -> Sometimes:
        """The *sometimes* condition of this name. Raises ConfigurationError where it is of another kind."""
        return self._declare(Sometimes, name)

    def always(self, name: str) -> Always:
        """The *always* condition of this name. Raises ConfigurationError where it is of another kind."""
        return self._declare(Always, name)

    def never(self, name: str) -> Never:
        """The *never* condition of this name. Raises ConfigurationError where it is of another kind."""
        return self._declare(Never, name)

    def _declare(self, kind: type[AnyCondition], name: str) -> AnyCondition:
        condition = self._conditions.get(name)
        if condition is None:
            condition = self._conditions[name] = kind(name)
        if not isinstance(condition, kind):
            raise _two_kinds(name, condition.kind, kind.kind)
        return condition

    def report(self) -> Report:
        """All conditions with their counts, in order of declaration."""
        return {name: ConditionCount(each.kind, each.hits) for name, each in self._conditions.items()}

    def reset(self) -> None:
        """Set all counts to zero; what is declared stays."""
        for condition in self._conditions.values():
            condition.hits = 0

    def unhit(self, prefix: str = "") -> list[str]:
        """Names that begin with `prefix`, of *sometimes* conditions that were never hit."""
        return unhit_in(self.report(), prefix)


_REGISTRY = ConditionRegistry()
sometimes = _REGISTRY.sometimes
always = _REGISTRY.always
never = _REGISTRY.never
report = _REGISTRY.report
reset = _REGISTRY.reset
unhit = _REGISTRY.unhit


def unhit_in(counts: Mapping[str, ConditionCount], prefix: str = "") -> list[str]:
    """Names that begin with `prefix`, of *sometimes* conditions with no hit in a (merged) report."""
    never_hit = ConditionCount(Kind.SOMETIMES, 0)
    return [name for name, count in counts.items() if count == never_hit and name.startswith(prefix)]


def merge_reports(*reports: Mapping[str, ConditionCount]) -> Report:
    """Sum the counts of several processes; names in order of first appearance.

    Raises ConfigurationError where two reports disagree on the kind of a name.
    """
    merged: Report = {}
    for name, count in (item for each in reports for item in each.items()):
        before = merged.setdefault(name, ConditionCount(count.kind, 0))
        if before.kind is not count.kind:
            raise _two_kinds(name, before.kind, count.kind)
        merged[name] = ConditionCount(count.kind, before.hits + count.hits)
    return merged


def report_to_json(counts: Mapping[str, ConditionCount]) -> str:
    """A report as one line of JSON: `{name: [kind, hits]}`, order kept."""
    return json.dumps({name: [count.kind.value, count.hits] for name, count in counts.items()})


def report_from_json(text: str) -> Report:
    """The exact inverse of `report_to_json`. Raises ConfigurationError, saying which entry is wrong."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"not a report of conditions: {error}") from None
    if not isinstance(entries, dict):
        raise ConfigurationError("not a report of conditions: expected an object of [kind, hits] by name")
    return {name: _count_from_json(name, entry) for name, entry in entries.items()}


def _count_from_json(name: str, entry: object) -> ConditionCount:
    match entry:
        case [("always" | "sometimes" | "never") as kind, hits] if type(hits) is int and hits >= 0:
            return ConditionCount(Kind(kind), hits)
    raise ConfigurationError(f"condition {name!r} is {entry!r}; expected [kind, hits], hits 0 or more")


def _two_kinds(name: str, first: Kind, second: Kind) -> ConfigurationError:
    return ConfigurationError(
        f"condition {name!r} is both {first.value!r} and {second.value!r}; give one of them another name"
    )
