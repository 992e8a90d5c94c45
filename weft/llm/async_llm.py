"""A model served inside an asyncio program."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from weft.contracts.callers import ANYONE, Caller
from weft.contracts.errors import ConfigurationError
from weft.contracts.execution import ServingExecutor
from weft.contracts.options import ServingOptions, serving_options
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Pooling, Request, SamplingParams, Slo
from weft.engine.client import generate
from weft.engine.config import UNBOUNDED_TOKENS
from weft.engine.driver import EngineDriver
from weft.engine.engine import Engine
from weft.llm.answering import answer
from weft.llm.constraining import ConstraintCompiler
from weft.llm.prompting import Message, Prompt, Prompting
from weft.llm.results import (
    ABANDONED,
    CompletionChunk,
    EmbeddingOutput,
    RequestAbandoned,
    RequestOutput,
    failure,
    joined,
)
from weft.observation.event_log import EventLog
from weft.policies.choices import DEFAULT_POLICIES, PolicyChoices

if TYPE_CHECKING:
    from weft.executor.loading import Serving

LONG_TEXT = 1 << 14
"""Characters from which on a prompt is turned into tokens in a thread, so that the loop stays free."""


class AsyncLLM:
    """A model, loaded on construction (which takes as long as reading its weights), served on the event loop on
    which its first request is made.

    `model`: a Hugging Face directory. `tokenizer`, `chat_template`: files or directories to use instead of the
    model's own. `tool_format`: see `Prompting`. `bounded`: refuse requests while much more waits than the device
    holds, as a server must; else let all wait. `policies`: who runs next, who gives way. `objective`: how fast
    requests are meant to be answered; `max_queue_delay_s`: how long they may wait; see `EngineConfig`. The rest are the
    fields of `ServingOptions`. Requests that name no seed get noise that follows from their number, so a program that
    asks the same gets the same.

    `log` records what happens to requests, from the first on; `serving` is the model as it was loaded.

    Raises `ConfigurationError` for whatever keeps the model from being served.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        tokenizer: str | Path | None = None,
        chat_template: str | Path | None = None,
        tool_format: str = "auto",
        bounded: bool = True,
        policies: PolicyChoices = DEFAULT_POLICIES,
        objective: Slo | None = None,
        max_queue_delay_s: float | None = None,
        **options: Any,
    ) -> None:
        directory, checked = Path(model), serving_options(options)
        policies.check()  # its complaints come before the weights
        self.serving = self._load(directory, checked)
        self.prompting = self._prompting(directory, tokenizer, chat_template, tool_format)
        self.prompting.warn_of_defaults()
        self._constraints = ConstraintCompiler(self.prompting.grammars)
        if self.prompting.grammars is not None:
            self.serving.executor.runner.sampler.use(self.prompting.grammars)
        self.log = EventLog()
        config = replace(
            self.serving.config.with_policies(policies),
            objective=objective,
            max_queue_delay_s=max_queue_delay_s,
        )
        self._config = config if bounded else replace(config, max_queued_tokens=UNBOUNDED_TOKENS)
        self._driver: EngineDriver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._numbers, self._is_closed, self._is_abandoned = count(), False, False

    def _load(self, directory: Path, options: ServingOptions) -> "Serving":
        """For one that measures a model of its own."""
        # Here, so that importing weft costs no second: torch comes with it.
        from weft.executor.loading import load_serving

        return load_serving(directory, options)

    def _prompting(
        self,
        directory: Path,
        tokenizer: str | Path | None,
        chat_template: str | Path | None,
        tool_format: str,
    ) -> Prompting:
        read_from, talks_by = (None if each is None else Path(each) for each in (tokenizer, chat_template))
        vocab_size, longest = self.serving.spec.vocab_size, self.serving.max_model_len
        try:
            return Prompting(directory, vocab_size, longest, read_from, talks_by, tool_format)
        except BaseException:
            self.serving.close()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Fail what runs, wait for the step under way, end the threads."""
        if self._is_closed:
            return
        self._is_closed = True
        self._constraints.close()
        self.abandon()
        await asyncio.to_thread(self.serving.close)

    def abandon(self) -> None:
        """Fail what runs and what comes, by `RequestAbandoned`; `close` is to follow."""
        self._is_abandoned = True
        if self._driver is not None:
            engine, now_s = self._driver.engine, asyncio.get_running_loop().time()
            for request_id in engine.live_requests():
                engine.fail(request_id, ABANDONED, now_s)

    @property
    def executor(self) -> ServingExecutor:
        """What does the steps; another one in a subclass that measures what is around it."""
        return self.serving.executor

    @property
    def engine(self) -> Engine | None:
        """What runs the requests, for those who watch it; None before the first request."""
        return None if self._driver is None else self._driver.engine

    @property
    def defect(self) -> Exception | None:
        """What stopped the engine for good, or None."""
        return None if self._driver is None else self._driver.defect

    def check_load(self, caller: Caller, prompt_tokens: int) -> None:
        """Raise `RequestRejected` where a request of about so many tokens would be refused for what waits already."""
        if self._driver is not None and self._loop is not None:
            who, now_s = (str(next(self._numbers)), caller.tenant, caller.slo), self._loop.time()
            self._driver.engine.check_load(*who, prompt_tokens, now_s)

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
        self, prompt: Prompt, sampling: SamplingParams | None = None, caller: Caller = ANYONE
    ) -> AsyncGenerator[CompletionChunk, None]:
        """Outputs as they come. Leaving early cancels the request. Raises as `generate` does."""
        tokens = await self.encode(prompt)
        request = self._request(tokens, sampling, caller)
        async with aclosing(self._answer(request, is_streamed=True)) as chunks:
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

    def _answer(self, request: Request, *, is_streamed: bool) -> AsyncGenerator[CompletionChunk, None]:
        return answer(self._driven(), self.prompting, self._constraints, request, is_streamed=is_streamed)

    def _driven(self) -> EngineDriver:
        loop = asyncio.get_running_loop()
        if self._is_closed:
            raise ConfigurationError("the model was closed; load it again")
        if self._is_abandoned:
            raise RequestAbandoned(ABANDONED)
        if self._driver is None:
            self._driver, self._loop = EngineDriver(self._config, self.executor, self.log), loop
        if loop is not self._loop:
            raise ConfigurationError("an AsyncLLM belongs to one event loop; make one for each, or use LLM")
        return self._driver
