"""The same requests, changed in one respect, to see what depends on it."""

from collections.abc import Iterator
from dataclasses import dataclass

from weft.contracts.prompts import LengthPrompt, Prompt
from weft.contracts.record import replaced
from weft.workloads.arrivals import gamma
from weft.workloads.checks import check_positive, check_rate
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Session, Turn, Workload


@dataclass(frozen=True, slots=True)
class OtherLengths:
    """Prompts times `prompts` and outputs times `outputs`, at least a token each. Only prompts that are nothing but a
    length can have another: raises `WorkloadError` for others, as sessions are taken. Where prompts stay, later
    turns of a conversation quote the old outputs."""

    workload: Workload
    prompts: float = 1.0
    outputs: float = 1.0

    def __post_init__(self) -> None:
        check_positive("what prompts are multiplied by", self.prompts)
        check_positive("what outputs are multiplied by", self.outputs)

    @property
    def name(self) -> str:
        return self.workload.name

    def sessions(self) -> Iterator[Session]:
        for session in self.workload.sessions():
            yield session._replace(turns=tuple(self._turn(turn) for turn in session.turns))

    def _turn(self, turn: Turn) -> Turn:
        first, *more = (_times(tokens, self.outputs) for tokens in turn.samples_tokens)
        prompt = turn.prompt if self.prompts == 1.0 else self._prompt(turn.prompt)
        return replaced(turn, prompt=prompt, output_tokens=first, more_output_tokens=tuple(more))

    def _prompt(self, prompt: Prompt) -> Prompt:
        if isinstance(prompt, LengthPrompt):
            return LengthPrompt(_times(prompt.num_tokens, self.prompts))
        raise WorkloadError(
            f"workload {self.name} has prompts with content, which can have no other length; take one with lengths only"
        )


def _times(tokens: int, factor: float) -> int:
    return max(1, round(factor * tokens))


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
