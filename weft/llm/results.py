"""What the Python API answers with."""

from dataclasses import dataclass
from typing import Literal

from weft.contracts.errors import WeftError
from weft.contracts.steps import TokenLogprobs

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class CompletionChunk:
    """News of output `index` of a request.

    `text` and `token_ids`: since the last chunk (text may lag behind tokens: no half characters, no part of a
    stop string). `logprobs`: one for each token where the request asked, else empty. `finish_reason`: at the
    end, "stop" (a stop token, a stop string, the model's end of sequence) or "length". `stop_reason`: the stop
    string or the stop token of the request that ended the output; None for the model's own end.
    """

    index: int
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprobs, ...] = ()
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None


@dataclass(frozen=True, slots=True)
class CompletionOutput:
    """One whole output. Fields as in `CompletionChunk`; `token_ids` include the token that ended it."""

    index: int
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprobs, ...]
    finish_reason: FinishReason
    stop_reason: str | int | None


@dataclass(frozen=True, slots=True)
class RequestOutput:
    """What came of a request: `n` outputs in order, or the best one of a beam search.

    `prompt`: its text; None where token ids were given.
    """

    request_id: str
    prompt: str | None
    prompt_token_ids: tuple[int, ...]
    outputs: tuple[CompletionOutput, ...]


class RequestFailed(WeftError):
    """The engine could not finish a request. The message says why."""
