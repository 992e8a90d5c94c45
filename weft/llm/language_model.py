"""What answers: a model behind an engine of its own, or behind several."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import count
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self

from weft.contracts.callers import ANYONE, Caller
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Pooling, Request, SamplingParams, Slo
from weft.engine.client import Asked, generate
from weft.engine.config import EngineConfig
from weft.llm.answering import Preparation, Taker, answer
from weft.llm.prompting import Message, Prompt, Prompting
from weft.llm.results import CompletionChunk, EmbeddingOutput, RequestOutput, failure, joined
from weft.model_specs.model_spec import ModelSpec
from weft.observation.event_log import EventLog

LONG_TEXT = 1 << 14
"""Characters from which on a prompt is turned into tokens in a thread, so that the loop stays free."""


class Served(Protocol):
    """What there is to know of a model that is served. `config`: of each engine; `max_model_len`: in tokens."""

    @property
    def spec(self) -> ModelSpec: ...
    @property
    def max_model_len(self) -> int: ...
    @property
    def config(self) -> EngineConfig: ...


class LanguageModel(ABC):
    """Answers prompts, on one event loop. `log` records what happens to requests, from the first on."""

    serving: Served
    prompting: Prompting
    log: EventLog
    _preparation: Preparation

    def __init__(self) -> None:
        self._numbers = count()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def start(self) -> None:
        """Be ready for requests, which otherwise comes with the first. Raises `WeftError` where that cannot be."""

    @abstractmethod
    async def close(self) -> None:
        """Fail what runs, wait for the step under way, end threads and processes."""

    @abstractmethod
    def abandon(self) -> None:
        """Fail what runs and what comes, by `RequestAbandoned`; `close` is to follow."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Names all that decides the bits of what is computed."""

    @property
    @abstractmethod
    def objective(self) -> Slo | None:
        """How fast requests are meant to be answered; None where nothing was said of it."""

    @property
    def emulates(self) -> str | None:
        """The hardware whose speed it only has, while nothing is computed; None where a model computes."""
        return None

    @property
    @abstractmethod
    def defect(self) -> Exception | None:
        """What stopped it for good, or None."""

    @abstractmethod
    def check_load(self, caller: Caller, prompt_tokens: int) -> None:
        """Raise `RequestRejected` where a request of about so many tokens would be refused for what waits already."""

    @abstractmethod
    def _driven(self) -> Asked:
        """Who makes outputs. Raises where nobody does any more."""

    async def generate(
        self, prompt: Prompt, sampling: SamplingParams | None = None, caller: Caller = ANYONE
    ) -> RequestOutput:
        """The whole output for a prompt. Cancelling the caller cancels the request.

        Raises `InvalidRequest`, `RequestRejected` where too much work waits, `RequestFailed`.
        """
        text = prompt if isinstance(prompt, str) else None
        return await self._collect(await self.encode(prompt), sampling, caller, text)

    async def chat(
        self,
        messages: Sequence[Message],
        sampling: SamplingParams | None = None,
        caller: Caller = ANYONE,
        **template_variables: Any,
    ) -> RequestOutput:
        """The assistant's answer to a conversation; `template_variables` go to the model's chat template."""
        tokens = await self.encode_chat(messages, template_variables)
        return await self._collect(tokens, sampling, caller, None)

    async def stream(
        self,
        prompt: Prompt,
        sampling: SamplingParams | None = None,
        caller: Caller = ANYONE,
        *,
        taker: Taker | None = None,
    ) -> AsyncGenerator[CompletionChunk, None]:
        """Outputs as they come, but for what `taker` takes. Leaving early cancels the request. Raises as `generate`
        does."""
        tokens = await self.encode(prompt)
        request = self._request(tokens, sampling, caller)
        async with aclosing(self._answer(request, is_streamed=True, taker=taker)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def stream_chat(
        self,
        messages: Sequence[Message],
        sampling: SamplingParams | None = None,
        caller: Caller = ANYONE,
        **template_variables: Any,
    ) -> AsyncGenerator[CompletionChunk, None]:
        """The answer to a conversation as it comes."""
        tokens = await self.encode_chat(messages, template_variables)
        async with aclosing(self.stream(tokens, sampling, caller)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(
        self, prompt: Prompt, pooling: Pooling | str | None = None, caller: Caller = ANYONE
    ) -> EmbeddingOutput:
        """The vector of a prompt. `pooling`: "last" or "mean"; None takes what the model was trained for, where its
        files say, else "last". Raises as `generate` does."""
        chosen = self.prompting.choose_pooling(pooling)
        tokens = await self.encode(prompt)
        request = replace(self._request(tokens, SamplingParams(max_tokens=0), caller), pooling=chosen)
        completion = await generate(self._driven(), request)
        if completion.embedding is None:
            raise failure(request.request_id, completion.status, completion.reason)
        return EmbeddingOutput(request.request_id, tokens, completion.embedding)

    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """A prompt's token ids, checked against the model; a long text is taken apart in a thread."""
        if isinstance(prompt, str) and len(prompt) >= LONG_TEXT:
            return await asyncio.to_thread(self.prompting.encode, prompt)
        return self.prompting.encode(prompt)

    async def encode_chat(
        self, messages: Sequence[Message], template_variables: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[int, ...]:
        """A conversation's token ids; template and tokenizer run in a thread."""
        encode = partial(self.prompting.encode_chat, messages, **template_variables)
        return await asyncio.to_thread(encode)

    def _request(self, tokens: tuple[int, ...], sampling: SamplingParams | None, caller: Caller) -> Request:
        complete = self.prompting.complete(sampling, len(tokens))
        return caller.request(str(next(self._numbers)), TokenPrompt(tokens), complete)

    async def _collect(
        self, tokens: tuple[int, ...], sampling: SamplingParams | None, caller: Caller, prompt: str | None
    ) -> RequestOutput:
        request = self._request(tokens, sampling, caller)
        chunks: dict[int, list[CompletionChunk]] = {}
        async for chunk in self._answer(request, is_streamed=bool(request.sampling.stop)):
            chunks.setdefault(chunk.index, []).append(chunk)
        of_prompt = chunks[0][0].prompt_logprobs
        outputs = tuple(joined(chunks[index], of_prompt) for index in sorted(chunks))
        return RequestOutput(request.request_id, prompt, tokens, outputs)

    def _answer(
        self, request: Request, *, is_streamed: bool, taker: Taker | None = None
    ) -> AsyncGenerator[CompletionChunk, None]:
        asked = self._driven(), self.prompting, self._preparation, request
        return answer(*asked, is_streamed=is_streamed, taker=taker)
