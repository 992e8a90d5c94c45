"""The route of a protocol for output: body in, answer out, in one piece or as a stream."""

import asyncio
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Scope, Send

from weft.contracts.errors import RequestRejected
from weft.llm.language_model import LanguageModel
from weft.llm.results import CompletionChunk
from weft.server.callers.caller import read_caller, read_pace, with_what_is_left
from weft.server.callers.intake import declared_bytes
from weft.server.errors import api_error
from weft.server.http.bodies import parse_body, read_body
from weft.server.http.body_writer import BODY_WRITER, HEARD_S
from weft.server.http.connection import while_connected
from weft.server.http.events import EventStream
from weft.server.http.json_response import JsonResponse
from weft.server.protocol.dialect import Dialect
from weft.server.protocol.fields import RequestFields
from weft.server.protocol.generating import Asked, Usage, chunks, whole_outputs
from weft.server.protocol.pacing import News, paced
from weft.server.state import Loaded, ServerState


class GenerationRoute:
    """An ASGI application. What fails before the answer begins is raised, for the gate to answer."""

    def __init__(self, state: ServerState, dialect: type[Dialect[Any]]) -> None:
        self._state, self._dialect = state, dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard_s = scope.get("state", {}).get(HEARD_S, asyncio.get_running_loop().time())
        loaded = self._state.admit()
        try:
            body = await self._read(loaded.llm, scope, receive)
            await while_connected(receive, self._answer(loaded, heard_s, body, scope, receive, send))
        finally:
            self._state.leave()

    async def _read(self, llm: LanguageModel, scope: Scope, receive: Receive) -> bytes:
        """The body, unless its length says that its request would be refused."""
        caller, num_bytes = read_caller(scope, None), declared_bytes(scope)
        most_bytes = self._state.settings.most_body_bytes
        if num_bytes is not None and num_bytes <= most_bytes:
            self._state.intake.check(llm, caller, num_bytes)
        body = await read_body(scope, receive, most_bytes)
        if num_bytes is None:
            self._state.intake.check(llm, caller, len(body))
        return body

    async def _answer(
        self, loaded: Loaded, heard_s: float, raw: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = await parse_body(self._dialect.schema, raw)
        self._state.check_model(body.model)
        dialect = self._make_dialect(loaded.llm, body, scope)
        asked = await dialect.asked()
        spent_s = asyncio.get_running_loop().time() - heard_s
        caller = with_what_is_left(read_caller(scope, body), loaded.llm.objective, spent_s)
        asked = [each._replace(caller=caller) for each in asked]
        self._state.intake.note(len(raw), sum(len(each.tokens) for each in asked))
        try:
            await self._generate(dialect, asked, scope, receive, send)
        except RequestRejected as refusal:
            if len(asked) == 1:
                raise
            reason = f"{refusal.reason}; or send fewer prompts in one request"
            raise RequestRejected(refusal.request_id, reason, refusal.retry_after_s) from None

    def _make_dialect(self, llm: LanguageModel, body: RequestFields, scope: Scope) -> Dialect[Any]:
        return self._dialect(llm, body)

    async def _generate(
        self,
        dialect: Dialect[Any],
        asked: list[Asked],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        tokens_per_s = read_pace(scope, is_streamed=bool(dialect.body.stream))
        if dialect.body.stream:
            writer = scope.get("state", {}).get(BODY_WRITER)
            events = EventStream(send, names_events=dialect.names_events, writer=writer)
            await _stream(dialect, asked, events, tokens_per_s)
            return
        usage = Usage(asked)
        outputs = await whole_outputs(dialect.llm, asked)
        usage.completion_tokens = sum(len(output.token_ids) for output in outputs)
        await JsonResponse(dialect.whole(outputs, usage))(scope, receive, send)


class _Teller:
    """Tells a client what is new as soon as it is there, see `Taker`."""

    def __init__(self, dialect: Dialect[Any], usage: Usage, stream: EventStream) -> None:
        self._dialect, self._usage, self._stream = dialect, usage, stream

    @property
    def is_ready(self) -> bool:
        return self._stream.is_ready

    def take(self, chunk: CompletionChunk) -> None:
        self._usage.completion_tokens += len(chunk.token_ids)
        self._stream.write(self._dialect.news(chunk))


def _news(
    dialect: Dialect[Any], asked: list[Asked], usage: Usage, stream: EventStream, tokens_per_s: float | None
) -> News:
    if tokens_per_s is None:
        return chunks(dialect.llm, asked, _Teller(dialect, usage, stream))
    return paced(chunks(dialect.llm, asked), tokens_per_s)


async def _stream(
    dialect: Dialect[Any], asked: list[Asked], stream: EventStream, tokens_per_s: float | None
) -> None:
    """The stream begins with the first token: until then a refusal still gets a status of its own."""
    usage = Usage(asked)
    try:
        async with aclosing(_news(dialect, asked, usage, stream, tokens_per_s)) as news:
            async for chunk in news:
                usage.completion_tokens += len(chunk.token_ids)
                if not stream.has_begun:
                    await stream.event(*dialect.begin(asked, usage))
                await stream.event(*dialect.news(chunk))
        await stream.event(*dialect.end(usage))
        await stream.end()
    except Exception as error:
        if not stream.has_begun:
            raise
        await stream.fail(dialect.failure(api_error(error)))
