"""What the Python API answers with."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weft.contracts.errors import WeftError
from weft.contracts.events import Status
from weft.contracts.steps import TokenLogprobs

FinishReason = Literal["stop", "length"]

PromptLogprobs = tuple[TokenLogprobs | None, ...]
"""One for each token of a prompt, given those before it; None for the first, which nothing comes before."""


@dataclass(frozen=True, slots=True)
class CompletionChunk:
    """News of output `index` of a request.

    `text` and `token_ids`: since the last chunk (text may lag behind tokens: no half characters, no part of a
    stop string). `logprobs`: one for each token where the request asked, else empty. `finish_reason`: at the
    end, "stop" (a stop token, a stop string, the model's end of sequence) or "length". `stop_reason`: the stop
    string or the stop token of the request that ended the output; None for the model's own end. `prompt_logprobs`:
    with the first chunk of output 0, where the request asked, else None.
    """

    index: int
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprobs, ...] = ()
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None
    prompt_logprobs: PromptLogprobs | None = None


@dataclass(frozen=True, slots=True)
class CompletionOutput:
    """One whole output. Fields as in `CompletionChunk`; `token_ids` include the token that ended it, and
    `prompt_logprobs` are the same for all outputs of a prompt."""

    index: int
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprobs, ...]
    finish_reason: FinishReason
    stop_reason: str | int | None
    prompt_logprobs: PromptLogprobs | None = None


@dataclass(frozen=True, slots=True)
class RequestOutput:
    """What came of a request: `n` outputs in order, or the best one of a beam search.

    `prompt`: its text; None where token ids were given.
    """

    request_id: str
    prompt: str | None
    prompt_token_ids: tuple[int, ...]
    outputs: tuple[CompletionOutput, ...]

    @property
    def prompt_logprobs(self) -> PromptLogprobs | None:
        """Of the prompt's tokens; None where the request did not ask."""
        return self.outputs[0].prompt_logprobs


@dataclass(frozen=True, slots=True)
class EmbeddingOutput:
    """The vector of a prompt: float32, of length 1, as many numbers as the model's hidden states have."""

    request_id: str
    prompt_token_ids: tuple[int, ...]
    embedding: "array[float]"


class RequestFailed(WeftError):
    """The engine could not finish a request. The message says why."""


class RequestAbandoned(RequestFailed):
    """The model was about to be closed; another one may well finish the request."""


ABANDONED = "the model was closed"


def failure(request_id: str, status: Status, reason: str) -> RequestFailed:
    """What to raise for a request that ended without being finished."""
    kind = RequestAbandoned if reason == ABANDONED else RequestFailed
    return kind(f"request {request_id!r} {status.value}: {reason}")


def joined(chunks: Sequence[CompletionChunk], of_prompt: PromptLogprobs | None) -> CompletionOutput:
    """All chunks of one output as a whole."""
    last = chunks[-1]
    assert last.finish_reason is not None
    return CompletionOutput(
        last.index,
        "".join(chunk.text for chunk in chunks),
        tuple(token for chunk in chunks for token in chunk.token_ids),
        tuple(each for chunk in chunks for each in chunk.logprobs),
        last.finish_reason,
        last.stop_reason,
        of_prompt,
    )
