"""/v1/embeddings: a vector for each text."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from math import sqrt
from struct import pack

from starlette.types import Receive, Scope, Send

from weft.contracts.callers import ANYONE, Caller
from weft.contracts.errors import RequestRejected
from weft.llm.results import EmbeddingOutput
from weft.server.callers.caller import read_caller
from weft.server.embeddings.schema import EmbeddingsBody
from weft.server.errors import ApiError
from weft.server.http.bodies import parse_body
from weft.server.http.json_response import JsonResponse
from weft.server.http.json_route import JsonRoute
from weft.server.protocol.dialect import Json
from weft.server.protocol.generating import all_of
from weft.server.protocol.prompts import encode_prompts
from weft.server.state import ServerState


class EmbeddingsRoute(JsonRoute[EmbeddingsBody]):
    """An ASGI application."""

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, EmbeddingsBody, embeddings)

    async def _tell(self, raw: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        body = await parse_body(self.schema, raw)
        answer = await embeddings(self._state, body, read_caller(scope, body))
        # Thousands of numbers take milliseconds to write.
        response = await asyncio.to_thread(JsonResponse, answer)
        await response(scope, receive, send)


async def embeddings(state: ServerState, body: EmbeddingsBody, caller: Caller = ANYONE) -> Json:
    """The vectors of all inputs, in order. Raises what `LanguageModel.embed` raises, and `ApiError`."""
    llm = state.loaded.llm
    state.check_model(body.model)
    _check_dimensions(body.dimensions, llm.serving.spec.hidden_size)
    prompts = await encode_prompts(llm, body.input, "input")
    try:
        outputs = await all_of(llm.embed(tokens, None, caller) for tokens in prompts)
    except RequestRejected as refusal:
        if len(prompts) == 1:
            raise
        reason = f"{refusal.reason}; or send fewer inputs in one request"
        raise RequestRejected(refusal.request_id, reason, refusal.retry_after_s) from None
    return await asyncio.to_thread(_answer, body, outputs)


def _check_dimensions(dimensions: int | None, most: int) -> None:
    if dimensions is not None and dimensions > most:
        message = (
            f"dimensions is {dimensions}; it must be at most {most}, which the vectors of this model have"
        )
        raise ApiError(400, message, param="dimensions", code="invalid_value")


def _answer(body: EmbeddingsBody, outputs: Sequence[EmbeddingOutput]) -> Json:
    num_tokens = sum(len(output.prompt_token_ids) for output in outputs)
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(body, output)}
        for index, output in enumerate(outputs)
    ]
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


def _vector(body: EmbeddingsBody, output: EmbeddingOutput) -> str | list[float]:
    """As numbers, or as the base64 of float32 with the low byte first."""
    values = output.embedding.tolist()
    if body.dimensions is not None and body.dimensions < len(values):
        values = _shortened(values[: body.dimensions])
    if body.encoding_format == "base64":
        return b64encode(pack(f"<{len(values)}f", *values)).decode("ascii")
    return values


def _shortened(values: Sequence[float]) -> list[float]:
    """A part of a vector, of length 1 again; all zeros stay so."""
    length = sqrt(sum(value * value for value in values)) or 1.0
    return [value / length for value in values]
