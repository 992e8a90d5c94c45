"""How requests of a simulated service fare."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from weft.contracts.events import RequestEnded, Status
from weft.contracts.record import record
from weft.contracts.requests import Request, SamplingParams
from weft.simulator.playing import Play
from weft.simulator.simulated_beams import END_TOKEN
from weft.workloads.sessions import Turn

TOO_LONG = "the prompt leaves no room for output in max_model_len"


@record
class RequestOutcome:
    """How a request fared, in seconds from the beginning of the run.

    `arrival_s`: when it was meant to be sent. `first_token_s`: None where it had no output; a beam search has all of it
    at its end. `token_gaps`: those of its replica, of whatever requests, since the request before it ended there:
    (seconds, how often). `output_tokens`: of all samples together.
    """

    request_id: str
    status: Status
    reason: str
    arrival_s: float
    first_token_s: float | None
    ended_s: float
    prompt_tokens: int
    output_tokens: int
    token_gaps: Sequence[tuple[float, int]]


Observe = Callable[[RequestOutcome], None]


def asked(play: Play, turn: Turn, longest_tokens: int, beam_width: int) -> tuple[Request, bool]:
    """What a turn asks for, and whether its prompt leaves room for output."""
    room = longest_tokens - turn.prompt.num_tokens
    sampling = _limited(max(1, room), len(turn.samples_tokens), beam_width)
    return play.session.request(play.index, turn, sampling), room >= 1


@lru_cache(maxsize=1 << 14)
def _limited(max_tokens: int, num_samples: int, beam_width: int) -> SamplingParams:
    """As a client that sets no limit of its own."""
    ends = (END_TOKEN,) if beam_width > 1 else ()
    return SamplingParams(n=num_samples, beam_width=beam_width, max_tokens=max_tokens, stop_token_ids=ends)


def answered(
    request: Request,
    arrival_s: float,
    first_token_s: float | None,
    end: RequestEnded,
    gaps: Sequence[tuple[float, int]],
) -> RequestOutcome:
    """Of a request that was let in. A beam search has all of its output at its end."""
    is_found = end.status is Status.FINISHED and request.sampling.beam_width > 1
    first_s = end.time_s if is_found else first_token_s
    about = (end.request_id, end.status, end.reason, arrival_s, first_s, end.time_s)
    return RequestOutcome(*about, request.prompt.num_tokens, end.output_tokens, gaps)


def refused(request: Request, arrival_s: float, reason: str) -> RequestOutcome:
    """Of one that was not."""
    tokens = request.prompt.num_tokens
    return RequestOutcome(
        request.request_id, Status.REJECTED, reason, arrival_s, None, arrival_s, tokens, 0, ()
    )
