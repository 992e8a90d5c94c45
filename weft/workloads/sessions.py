"""What a workload is made of: sessions of turns, in order of arrival.

The driver of a run starts a session at its `arrival_s`, on the virtual or the real clock, and each later turn
`delay_s` after the turn before has completed. Only the simulated executor may see `Turn.output_tokens`: it is
what the model would answer, not what the client asked for.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from weft.contracts.prompts import Prompt
from weft.contracts.record import record
from weft.contracts.requests import Request, SamplingParams, Slo


class Client(NamedTuple):
    """Who asks, and on what terms; the fields mean what they mean in `Request`."""

    tenant: str = "default"
    priority: int = 0
    slo: Slo | None = None
    adapter: str | None = None


ANYONE = Client()


@record
class Turn:
    """One request of a session.

    `prompt` contains the conversation so far. `output_tokens`: the true length of the answer, at least 1.
    `delay_s`: from the completion of the turn before (think time, or the run of a tool) to this request.
    `more_output_tokens`: the same of further samples, which the request asks for besides (`n` is one more than these).
    """

    prompt: Prompt
    output_tokens: int
    delay_s: float = 0.0
    more_output_tokens: tuple[int, ...] = ()

    @property
    def samples_tokens(self) -> tuple[int, ...]:
        """The true lengths of all samples."""
        return (self.output_tokens, *self.more_output_tokens)


class Session(NamedTuple):
    """Turns that follow each other; a request that stands alone is a session of one turn.

    `number` counts the sessions of a workload from 0. `arrival_s`: of the first turn, from the start of the
    run. `turns` can be iterated any number of times; long ones are made as they are asked for.
    """

    number: int
    arrival_s: float
    turns: Iterable[Turn]
    client: Client = ANYONE

    def request(self, index: int, turn: Turn, sampling: SamplingParams) -> Request:
        """The request of the turn at `index`; `sampling.max_tokens` is the client's bound on the output."""
        tenant, priority, slo, adapter = self.client
        name = str(self.number)
        return Request(f"{name}.{index}", turn.prompt, sampling, tenant, priority, slo, name, adapter)


class Workload(Protocol):
    """Sessions in order of arrival, made one by one as they are asked for."""

    @property
    def name(self) -> str:
        """A short name for tables and file names."""

    def sessions(self) -> Iterator[Session]:
        """All sessions from the start, the same on every call. May never end."""
