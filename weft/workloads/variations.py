"""The same requests, changed in one respect, to see what depends on it."""

from collections.abc import Iterator
from dataclasses import dataclass

from weft.contracts.prompts import LengthPrompt
from weft.workloads.arrivals import gamma
from weft.workloads.checks import check_positive, check_rate
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Session, Turn, Workload


@dataclass(frozen=True, slots=True)
class OtherOutputs:
    """Outputs times `factor`, at least a token; prompts stay, so later turns of a conversation quote the old ones."""

    workload: Workload
    factor: float

    def __post_init__(self) -> None:
        check_positive("the factor of output lengths", self.factor)

    @property
    def name(self) -> str:
        return self.workload.name

    def sessions(self) -> Iterator[Session]:
        for session in self.workload.sessions():
            yield session._replace(turns=tuple(self._turn(turn) for turn in session.turns))

    def _turn(self, turn: Turn) -> Turn:
        first, *more = (max(1, round(self.factor * tokens)) for tokens in turn.samples_tokens)
        return turn._replace(output_tokens=first, more_output_tokens=tuple(more))


@dataclass(frozen=True, slots=True)
class Shortened:
    """Prompts and outputs divided by `factor`, at least a token each, for models and machines that are small. Only
    prompts that are nothing but a length can be: raises `WorkloadError` for others, as sessions are taken."""

    workload: Workload
    factor: float

    def __post_init__(self) -> None:
        check_positive("what lengths are divided by", self.factor)

    @property
    def name(self) -> str:
        return self.workload.name

    def sessions(self) -> Iterator[Session]:
        for session in self.workload.sessions():
            yield session._replace(turns=tuple(self._turn(turn) for turn in session.turns))

    def _turn(self, turn: Turn) -> Turn:
        if not isinstance(turn.prompt, LengthPrompt):
            raise WorkloadError(
                f"workload {self.name} has prompts with content, which cannot be shortened; take one with lengths only"
            )
        prompt = LengthPrompt(self._shorter(turn.prompt.num_tokens))
        first, *more = (self._shorter(tokens) for tokens in turn.samples_tokens)
        return turn._replace(prompt=prompt, output_tokens=first, more_output_tokens=tuple(more))

    def _shorter(self, tokens: int) -> int:
        return max(1, round(tokens / self.factor))


@dataclass(frozen=True, slots=True)
class OtherArrivals:
    """Sessions in their order, arriving at gamma-distributed gaps: `rate_per_s` on average, whose gaps have the
    coefficient of variation `cv` (1: a Poisson process; above: bursts)."""

    workload: Workload
    rate_per_s: float
    cv: float
    seed: int = 0

    def __post_init__(self) -> None:
        check_rate(self.rate_per_s)
        check_positive("the cv of gaps", self.cv)

    @property
    def name(self) -> str:
        return self.workload.name

    def sessions(self) -> Iterator[Session]:
        times_s = gamma(self.rate_per_s, self.cv).times_s(self.seed)
        for session, time_s in zip(self.workload.sessions(), times_s, strict=False):
            yield session._replace(arrival_s=time_s)
