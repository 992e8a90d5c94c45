"""Several answers to each prompt: what a client asks for by `n`."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from weft.contracts.record import replaced
from weft.contracts.requests import MOST_SAMPLES
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Session, Turn, Workload
from weft.workloads.streams import named_stream

REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class SeveralSamples:
    """A workload whose requests ask for `n` samples each; a conversation goes on from the first.

    The first sample is as long as the workload says; each of the others is as long as one of the last 1,024 answers of
    the workload, the request's own among them, drawn from a stream of its own.
    """

    workload: Workload
    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MOST_SAMPLES:
            raise WorkloadError(f"n is {self.n}; a request asks for 1 to {MOST_SAMPLES} samples")

    @property
    def name(self) -> str:
        return self.workload.name

    def sessions(self) -> Iterator[Session]:
        random, answers = named_stream(self.seed, "lengths of further samples"), deque[int](maxlen=REMEMBERED)
        for session in self.workload.sessions():
            turns = tuple(self._turn(turn, random, answers) for turn in session.turns)
            yield session._replace(turns=turns)

    def _turn(self, turn: Turn, random: Random, answers: deque[int]) -> Turn:
        answers.append(turn.output_tokens)
        drawn = tuple(answers[int(random.random() * len(answers))] for _ in range(self.n - 1))
        return replaced(turn, more_output_tokens=drawn)
