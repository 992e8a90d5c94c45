"""What a router and an inference replica say to each other.

`attempt` counts all times that a router gives a request to a replica; news of an earlier attempt at a request, or of a
former request of that name, are of no interest any more.
"""

from array import array
from typing import NamedTuple

from weft.contracts.events import Status
from weft.contracts.record import record
from weft.contracts.requests import Emitted, Request
from weft.contracts.routing import LoadReport
from weft.contracts.steps import TokenLogprobs


@record
class Submit:
    """Let a request have output. `emitted`: what there is of each already; empty: nothing, but a replica was let have
    it before; None: it is new."""

    request: Request
    attempt: int
    emitted: tuple[Emitted, ...] | None


class Cancel(NamedTuple):
    """Nobody wants the request's output any more."""

    request_id: str
    attempt: int


class StopOutput(NamedTuple):
    """One output has ended, for its client, with its `num_tokens`-th token."""

    request_id: str
    attempt: int
    sample_index: int
    num_tokens: int


class Probe(NamedTuple):
    """How is it going?"""


class Alive(NamedTuple):
    """The router is there."""


class Told(NamedTuple):
    """News of one output as in `engine.replica.Output`; `first`: the index of the first of its `tokens`."""

    request_id: str
    attempt: int
    sample_index: int
    first: int
    tokens: tuple[int, ...]
    status: Status | None
    reason: str
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs, ...] | None = None
    embedding: "array[float] | None" = None


class Ended(NamedTuple):
    """A request is over, for this replica. `output_tokens`: of all its outputs, those from elsewhere included."""

    request_id: str
    attempt: int
    status: Status
    reason: str
    output_tokens: int


class Refused(NamedTuple):
    """A request was not let in: too much waits, for about `retry_after_s`, or (`is_invalid`) it cannot be served."""

    request_id: str
    attempt: int
    reason: str
    retry_after_s: float | None = None
    is_invalid: bool = False


News = Told | Ended | Refused


@record
class Report:
    """All that a step has brought."""

    news: tuple[News, ...]


class Hello(NamedTuple):
    """A replica is ready. What names the bits of its state must be the same for all."""

    numeric_fingerprint: str


class ProbeAnswer(NamedTuple):
    """See `routing.Probed`."""

    num_in_flight: int
    latency_s: float | None


class Heartbeat(NamedTuple):
    """The replica's loop runs; how its engine gets on."""

    load: LoadReport


class Stopped(NamedTuple):
    """The engine had a defect that it could not get over."""

    reason: str


@record
class Frame:
    """What travels: a message of a link. `incarnation`: of the replica, a new one with each start. `number`: from 1 on
    in the order of posting; 0: of a message that may get lost. `acknowledged`: up to here all has come."""

    incarnation: int
    number: int
    acknowledged: int
    message: object
