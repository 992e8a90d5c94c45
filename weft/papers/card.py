"""What a card of a paper is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from weft.contracts.errors import WeftError

LEAST_SEEDS = 5
SEEDS = tuple(range(LEAST_SEEDS))


class CardError(WeftError):
    """A card is asked for that is not there, or a stored run does not fit its card."""


class Regime(Enum):
    """Where the measurements of a card come from."""

    LIVE_CPU = "live on a CPU"
    LIVE_GPU = "live on a GPU"
    SIMULATED = "simulated"
    RECORDED = "recorded from real servers"


class Effect(Enum):
    """How the technique is compared with the baseline: as a quotient, or by a difference."""

    RATIO = "ratio"
    DIFFERENCE = "difference"

    @property
    def none(self) -> float:
        """The value that means no effect."""
        return 1.0 if self is Effect.RATIO else 0.0


class Origin(Enum):
    """Whose number a claim is: the paper's, or a threshold of ours, written down before the first run."""

    PAPER = "the paper's"
    OURS = "ours"


class Pair(NamedTuple):
    """A quantity under the baseline and under the technique, for the same draws of chance."""

    baseline: float
    technique: float


class Observation(NamedTuple):
    """What one setting gives with one seed.

    `pairs`: by quantity. `details`: what else is to be kept, such as the settings that won a search; plain JSON.
    """

    pairs: Mapping[str, Pair]
    details: Mapping[str, Any] = {}


class Setting(Protocol):
    """A point of a card's grid: a NamedTuple of plain values, among them its name."""

    @property
    def name(self) -> str: ...

    def _asdict(self) -> dict[str, Any]: ...


S = TypeVar("S", bound=Setting)


@dataclass(frozen=True, slots=True)
class Claim:
    """One number that can be checked.

    `quantity`: names the pair in each observation. `number`: the effect, in the sense of `effect`; the side of "no
    effect" that it lies on is the claimed direction. `unit`: what the number counts. `where`: the setting in which it
    is said to hold. `source`: figure, table or section of the paper, or why the threshold is what it is. `is_exact`:
    it follows from data and arithmetic alone, so that no simulation has to be trusted.
    """

    quantity: str
    number: float
    effect: Effect
    unit: str
    where: str
    source: str
    origin: Origin
    is_exact: bool = False

    @property
    def is_rise(self) -> bool:
        """Whether the technique's value is claimed to be the greater one."""
        return self.number > self.effect.none


Measure = Callable[[S, int], Observation]
"""A setting and a seed to an observation; the same arguments give the same numbers, or, live, nearly the same."""


@dataclass(frozen=True, slots=True)
class Recorded(Generic[S]):
    """A measurement that reads recorded runs (docs/validation.md), which users bring.

    `what`: which runs, and how one gets them. `measure`: as a card's, on the runs at or below a directory.
    """

    what: str
    measure: Callable[[Path, S, int], Observation]


@dataclass(frozen=True, slots=True)
class Card(Generic[S]):
    """A paper, its claims, and the experiment that checks them.

    `claims`: the first decides the card's verdict. `mechanism`: in a sentence. `files`: that implement it. `baseline`:
    what it is compared with. `grid`: settings of the full run, the one nearest to the paper's first. `quick`: a setting
    that takes at most 3 s. `measure`: what makes an observation; see `measuring`.
    `regime_reason`: why it is measured there. `validated_by`: the recorded real run that the regime was checked
    against; "" where there is none, which caps verdicts. `departures`: what differs from the paper's experiment.
    `finding`: what was learnt from the full run; "" before it. `has_chance`: False where seeds change nothing.
    """

    id: str
    title: str
    venue: str
    year: int
    claims: tuple[Claim, ...]
    mechanism: str
    files: tuple[str, ...]
    baseline: str
    grid: tuple[S, ...]
    quick: S
    measure: Measure[S] | Recorded[S]
    regime: Regime
    regime_reason: str
    validated_by: str = ""
    departures: tuple[str, ...] = ()
    finding: str = ""
    has_chance: bool = True
    seeds: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", SEEDS if self.has_chance else SEEDS[:1])
        names = [setting.name for setting in self.grid]
        assert self.claims, "a card claims something"
        assert len(dict.fromkeys(names)) == len(names) > 0, "settings are told apart by their names"

    def measuring(self, data: Path | None) -> Measure[S]:
        """`measure` on the recorded runs in a directory; None: on none.

        Raises `CardError` where it needs some and gets none, or the other way round.
        """
        if not isinstance(self.measure, Recorded):
            if data is not None:
                raise CardError(f"{self.id} reads no recorded runs; leave out --data {data}")
            return self.measure
        if data is None:
            raise CardError(f"{self.id} needs recorded runs ({self.measure.what}); name theirs with --data")
        return partial(self.measure.measure, data)

    @property
    def is_validated(self) -> bool:
        """Whether a measurement here says something of the real world."""
        return self.regime is not Regime.SIMULATED or bool(self.validated_by)
