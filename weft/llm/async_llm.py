"""A model served inside an asyncio program."""

import asyncio
import warnings
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import RequestEnded, Status
from weft.contracts.options import ServingOptions, serving_options
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import stream
from weft.engine.config import UNBOUNDED_TOKENS
from weft.engine.driver import EngineDriver
from weft.engine.engine import Engine
from weft.llm.output_reader import OutputReader
from weft.llm.prompting import Message, Prompt, Prompting
from weft.llm.results import CompletionChunk, CompletionOutput, RequestFailed, RequestOutput
from weft.observation.event_log import EventLog
from weft.text.output_text import OutputText

if TYPE_CHECKING:
    from weft.executor.loading import Serving

LONG_TEXT = 1 << 14
"""Characters from which on a prompt is turned into tokens in a thread, so that the loop stays free."""


class AsyncLLM:
    """A model, loaded on construction (which takes as long as reading its weights), served on the event loop on
    which its first request is made.

    `model`: a Hugging Face directory. `tokenizer`, `chat_template`: files or directories to use instead of the
    model's own. `bounded`: refuse requests while much more waits than the device holds, as a server must; else
    let all wait. The rest are the fields of `ServingOptions`. Requests that name no seed get noise that
    follows from their number, so a program that asks the same gets the same.

    `log` records what happens to requests, from the first on; `serving` is the model as it was loaded.

    Raises `ConfigurationError` for whatever keeps the model from being served.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        tokenizer: str | Path | None = None,
        chat_template: str | Path | None = None,
        bounded: bool = True,
        **options: Any,
    ) -> None:
        directory, checked = Path(model), serving_options(options)
        self.serving = _load(directory, checked)
        try:
            self.prompting = Prompting(
                directory,
                self.serving.spec.vocab_size,
                self.serving.max_model_len,
                None if tokenizer is None else Path(tokenizer),
                None if chat_template is None else Path(chat_template),
            )
        except BaseException:
            self.serving.close()
            raise
        if self.prompting.defaults.not_applied:
            keys = ", ".join(self.prompting.defaults.not_applied)
            warnings.warn(
                f"{model}: its generation_config.json sets {keys}, which has no effect here", stacklevel=2
            )
        self.log = EventLog()
        self._bounded = bounded
        self._driver: EngineDriver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._numbers = count()
        self._is_closed = False

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
        if self._driver is not None:
            now_s = asyncio.get_running_loop().time()
            for request_id in self._driver.engine.live_requests():
                self._driver.engine.fail(request_id, "the model was closed", now_s)
        await asyncio.to_thread(self.serving.close)

    @property
    def engine(self) -> Engine | None:
        """What runs the requests, for those who watch it; None before the first request."""
        return None if self._driver is None else self._driver.engine

    @property
    def defect(self) -> Exception | None:
        """What stopped the engine for good, or None."""
        return None if self._driver is None else self._driver.defect

    async def generate(self, prompt: Prompt, sampling: SamplingParams | None = None) -> RequestOutput:
        """The whole output for a prompt. Cancelling the caller cancels the request.

        Raises `InvalidRequest`, `RequestRejected` where too much work waits, `RequestFailed`.
        """
        text = prompt if isinstance(prompt, str) else None
        return await self._collect(await self.encode(prompt), sampling, text)

    async def chat(
        self, messages: Sequence[Message], sampling: SamplingParams | None = None, **template_variables: Any
    ) -> RequestOutput:
        """The assistant's answer to a conversation; `template_variables` go to the model's chat template."""
        tokens = await self.encode_chat(messages, template_variables)
        return await self._collect(tokens, sampling, None)

    async def stream(
        self, prompt: Prompt, sampling: SamplingParams | None = None
    ) -> AsyncGenerator[CompletionChunk, None]:
        """Outputs as they come. Leaving early cancels the request. Raises as `generate` does."""
        tokens = await self.encode(prompt)
        async with aclosing(self._chunks(self._request(tokens, sampling), is_streamed=True)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def stream_chat(
        self, messages: Sequence[Message], sampling: SamplingParams | None = None, **template_variables: Any
    ) -> AsyncGenerator[CompletionChunk, None]:
        """The answer to a conversation as it comes."""
        tokens = await self.encode_chat(messages, template_variables)
        async with aclosing(self.stream(tokens, sampling)) as chunks:
            async for chunk in chunks:
                yield chunk

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

    def _request(self, tokens: tuple[int, ...], sampling: SamplingParams | None) -> Request:
        complete = self.prompting.complete(sampling, len(tokens))
        return Request(str(next(self._numbers)), TokenPrompt(tokens), complete)

    async def _collect(
        self, tokens: tuple[int, ...], sampling: SamplingParams | None, prompt: str | None
    ) -> RequestOutput:
        request = self._request(tokens, sampling)
        chunks: dict[int, list[CompletionChunk]] = {}
        async for chunk in self._chunks(request, is_streamed=bool(request.sampling.stop)):
            chunks.setdefault(chunk.index, []).append(chunk)
        outputs = tuple(_join(chunks[index]) for index in sorted(chunks))
        return RequestOutput(request.request_id, prompt, tokens, outputs)

    async def _chunks(self, request: Request, *, is_streamed: bool) -> AsyncGenerator[CompletionChunk, None]:
        driver = self._driven()
        readers: dict[int, OutputReader] = {}
        async with aclosing(stream(driver, request, whole=not is_streamed)) as all_news:
            async for news in all_news:
                if isinstance(news, RequestEnded):
                    if news.status is not Status.FINISHED:
                        raise RequestFailed(
                            f"request {request.request_id!r} {news.status.value}: {news.reason}"
                        )
                    return
                index = news.sample_index
                if index not in readers:
                    readers[index] = self._reader(request, index)
                yield readers[index].read(news)
                stopped_after = readers[index].stopped_after
                if stopped_after is not None and news.status is None:
                    driver.stop_output(request.request_id, index, stopped_after)

    def _driven(self) -> EngineDriver:
        loop = asyncio.get_running_loop()
        if self._is_closed:
            raise ConfigurationError("the model was closed; load it again")
        if self._driver is None:
            config = self.serving.config
            if not self._bounded:
                config = replace(config, max_queued_tokens=UNBOUNDED_TOKENS)
            self._driver, self._loop = EngineDriver(config, self.serving.executor, self.log), loop
        if loop is not self._loop:
            raise ConfigurationError("an AsyncLLM belongs to one event loop; make one for each, or use LLM")
        return self._driver

    def _reader(self, request: Request, index: int) -> OutputReader:
        tokenizer, sampling = self.prompting.tokenizer, request.sampling
        text = None if tokenizer is None else OutputText(tokenizer, sampling.stop)
        return OutputReader(index, text, sampling.stop_token_ids, self.prompting.end_token_ids)


def _load(directory: Path, options: ServingOptions) -> "Serving":
    # Here, so that importing weft costs no second: torch comes with it.
    from weft.executor.loading import load_serving

    return load_serving(directory, options)


def _join(chunks: Sequence[CompletionChunk]) -> CompletionOutput:
    last = chunks[-1]
    assert last.finish_reason is not None
    return CompletionOutput(
        last.index,
        "".join(chunk.text for chunk in chunks),
        tuple(token for chunk in chunks for token in chunk.token_ids),
        tuple(each for chunk in chunks for each in chunk.logprobs),
        last.finish_reason,
        last.stop_reason,
    )
