"""Which points a sweep has, and how each is run; what cannot be is refused before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite, prod
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.measurement.knee import DIGITS, LEAST_RUN_S, run_length_s
from weft.measurement.simulation import deployment_options
from weft.measurement.sweep_workers import Point, naming
from weft.simulator.deployment import plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.workloads.checks import check_rate
from weft.workloads.sessions import Workload

DEFAULT_POINTS = 8
MOST_POINTS = 1000

OF_THE_LOAD = (
    *("model", "workload", "rate", "requests", "duration_s", "seed", "n", "beam_width"),
    *("options", "watch"),
)
"""Arguments of `simulate` that say nothing of the service."""


@dataclass(frozen=True, slots=True)
class Span:
    """`num_points` values from `low` to `high`, both included, at equal distances. Of rates: with the knee."""

    low: float
    high: float
    num_points: int = DEFAULT_POINTS

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high)):
            raise ConfigurationError(f"the range is {self.low}:{self.high}; give two finite numbers")
        if self.low >= self.high:
            raise ConfigurationError(
                f"the range is {self.low:g}:{self.high:g}; give the lower end first, and a higher one after it"
            )
        if not 2 <= self.num_points <= MOST_POINTS:
            raise ConfigurationError(f"the range has {self.num_points} points; give 2 to {MOST_POINTS}")

    def values(self) -> list[float]:
        """Rising. Whole where both ends are, and then perhaps fewer; else those between the ends with four digits."""
        step = (self.high - self.low) / (self.num_points - 1)
        between = [self.low + number * step for number in range(1, self.num_points - 1)]
        is_whole = isinstance(self.low, int) and isinstance(self.high, int)
        read = [round(value) if is_whole else float(f"{value:.{DIGITS}g}") for value in between]
        inside = [value for value in read if self.low < value < self.high]
        return list(dict.fromkeys([self.low, *inside, self.high]))


Values = Span | Sequence[float]


class SweepPlan:
    """Which points there are, and how each is run."""

    def __init__(
        self, model: str, workload: str | Workload, over: Mapping[str, Values], arguments: dict[str, Any]
    ) -> None:
        self._fixed = {"model": model, "workload": workload, **arguments}
        rates = over.get("rate")
        self.finds_knee = isinstance(rates, Span)
        values = {name: _values(name, each) for name, each in over.items()}
        _check(values, arguments, self.finds_knee)
        self.grid = [dict(zip(values, each, strict=True)) for each in product(*values.values())]
        self._check_deployments()

    def point(self, at: Mapping[str, float]) -> Point:
        """The simulation with these values."""
        arguments = self._fixed | dict(at)
        if self.finds_knee:
            arguments["duration_s"] = self.length_s(at)
        return Point(at, arguments)

    def length_s(self, at: Mapping[str, float]) -> float:
        """For how long sessions arrive, where the knee is looked for."""
        return float((self._fixed | dict(at)).get("duration_s") or run_length_s(at["rate"]))

    def _check_deployments(self) -> None:
        """Each kind of service once, so that what cannot be is known before anything runs."""
        options, checked = self._fixed.get("options") or DeploymentOptions(), []
        for at in self.grid:
            arguments = self._fixed | at
            choices = {name: value for name, value in arguments.items() if name not in OF_THE_LOAD}
            if choices not in checked:
                checked.append(choices)
                with naming(at):
                    plan_deployment(str(self._fixed["model"]), deployment_options(options, choices))


def _values(name: str, given: Values) -> list[float]:
    values = given.values() if isinstance(given, Span) else list(dict.fromkeys(given))
    if not values:
        raise ConfigurationError(f"no value is given for {name}; name at least one")
    for value in values:
        if not isinstance(value, int | float):
            raise ConfigurationError(f"{name} is {value!r}; only numbers can be swept over")
        if not isfinite(value):
            raise ConfigurationError(f"{name} is {value}; give finite numbers")
        if name == "rate":
            check_rate(value)
    return values


def _check(values: Mapping[str, list[float]], arguments: Mapping[str, Any], finds_knee: bool) -> None:
    if not values:
        raise ConfigurationError("nothing is swept over; name an argument and its values")
    for name in values:
        if arguments.get(name) is not None:
            raise ConfigurationError(f"{name} is given and swept over; leave one of the two out")
    number = prod(map(len, values.values()))
    if number > MOST_POINTS:
        raise ConfigurationError(
            f"the sweep has {number:,} points, at most {MOST_POINTS:,}; name fewer values"
        )
    if finds_knee:
        _check_length(values, arguments)


def _check_length(values: Mapping[str, list[float]], arguments: Mapping[str, Any]) -> None:
    advice = "or list the rates (rate=1,2,4) to go without the knee"
    if "requests" in values or arguments.get("requests") is not None:
        raise ConfigurationError(
            f"a number of requests ends runs before the knee can be seen; give a duration instead, {advice}"
        )
    for duration_s in (*values.get("duration_s", []), arguments.get("duration_s")):
        if duration_s is not None and not duration_s >= LEAST_RUN_S:
            raise ConfigurationError(
                f"the duration is {duration_s:g} s and the knee needs {LEAST_RUN_S:g} s; leave it out, {advice}"
            )
