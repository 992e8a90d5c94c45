"""A model for plain, synchronous programs and notebooks."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tqdm.auto import tqdm

from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.requests import Pooling, SamplingParams
from weft.llm.async_llm import AsyncLLM
from weft.llm.prompting import Message, Prompt
from weft.llm.results import EmbeddingOutput, RequestOutput

Answer = TypeVar("Answer")

PROGRESS_DELAY_S = 2.0
"""Work that is done sooner shows no progress bar."""


class LLM:
    """A model whose engine runs in a thread of its own, so it works where another event loop runs already.

    Takes what `AsyncLLM` takes, `bounded` apart: however many prompts are given, all are served.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        tokenizer: str | Path | None = None,
        chat_template: str | Path | None = None,
        **options: Any,
    ) -> None:
        self._llm = AsyncLLM(
            model, tokenizer=tokenizer, chat_template=chat_template, bounded=False, **options
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="weft-engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads. What runs fails."""
        if self._loop.is_closed():
            return
        self._run(self._llm.close())
        self._run(self._loop.shutdown_default_executor())  # closing the loop would not wait for its threads
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        sampling: SamplingParams | Sequence[SamplingParams] | None = None,
        *,
        progress: bool = True,
    ) -> list[RequestOutput]:
        """Outputs for prompts (texts, or lists of token ids; one alone counts as a list of one), in their order.

        `sampling`: for all, or one for each; None takes the model's defaults. `progress`: show a bar where it
        takes more than two seconds. Raises `InvalidRequest`, `RequestFailed`; the other prompts are
        cancelled then.
        """
        self._require_open()
        listed = _listed(prompts)
        params = _one_each(sampling, len(listed))
        answers = [self._llm.generate(prompt, each) for prompt, each in zip(listed, params, strict=True)]
        return self._run(_gather(answers, progress=progress))

    def embed(
        self,
        prompts: Prompt | Sequence[Prompt],
        pooling: Pooling | str | None = None,
        *,
        progress: bool = True,
    ) -> list[EmbeddingOutput]:
        """Vectors of prompts (as for `generate`), in their order, each of length 1.

        `pooling`: "last" token or "mean" of all; None takes what the model was trained for, where its files say, else
        "last". Raises as `generate` does.
        """
        self._require_open()
        answers = [self._llm.embed(prompt, pooling) for prompt in _listed(prompts)]
        return self._run(_gather(answers, progress=progress))

    def chat(
        self,
        conversations: Sequence[Message] | Sequence[Sequence[Message]],
        sampling: SamplingParams | Sequence[SamplingParams] | None = None,
        *,
        progress: bool = True,
        **template_variables: Any,
    ) -> list[RequestOutput]:
        """The assistant's answers to conversations (one alone counts as a list of one), in their order.

        `template_variables` go to the model's chat template. The rest as for `generate`.
        """
        self._require_open()
        listed = _listed_conversations(conversations)
        params = _one_each(sampling, len(listed))
        answers = [
            self._llm.chat(messages, each, **template_variables)
            for messages, each in zip(listed, params, strict=True)
        ]
        return self._run(_gather(answers, progress=progress))

    def encode(self, text: str) -> list[int]:
        """The token ids of a text, as a prompt has them."""
        return list(self._llm.prompting.encode(text))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return self._llm.prompting.decode(token_ids)

    def _require_open(self) -> None:
        if self._loop.is_closed():
            raise ConfigurationError("the model was closed; load it again")

    def _run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupted caller wants nothing more computed
            raise


async def _gather(answers: Sequence[Coroutine[Any, Any, Answer]], *, progress: bool) -> list[Answer]:
    """All answers, with a bar; where one fails, the others are cancelled."""
    with tqdm(total=len(answers), delay=PROGRESS_DELAY_S, unit="prompt", disable=not progress) as bar:
        num_tokens = 0

        async def follow(answer: Coroutine[Any, Any, Answer]) -> Answer:
            nonlocal num_tokens
            output = await answer
            if isinstance(output, RequestOutput):
                num_tokens += sum(len(each.token_ids) for each in output.outputs)
                bar.set_postfix_str(f"{num_tokens} output tokens", refresh=False)
            bar.update()
            return output

        tasks = [asyncio.ensure_future(follow(answer)) for answer in answers]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _listed(prompts: Prompt | Sequence[Prompt]) -> list[Prompt]:
    if isinstance(prompts, str) or (len(prompts) > 0 and isinstance(prompts[0], int)):
        return [prompts]  # type: ignore[list-item]  # the type of the first tells those of all
    return list(prompts)  # type: ignore[arg-type]


def _listed_conversations(
    conversations: Sequence[Message] | Sequence[Sequence[Message]],
) -> list[Sequence[Message]]:
    if conversations and not isinstance(conversations[0], Sequence):
        return [conversations]  # type: ignore[list-item]
    return list(conversations)  # type: ignore[arg-type]


def _one_each(
    sampling: SamplingParams | Sequence[SamplingParams] | None, count: int
) -> list[SamplingParams | None]:
    if sampling is None or isinstance(sampling, SamplingParams):
        return [sampling] * count
    if len(sampling) != count:
        raise InvalidRequest(
            f"{len(sampling)} sampling parameters for {count} prompts; give one, or one each"
        )
    return list(sampling)
