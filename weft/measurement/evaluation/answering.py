"""Who answers: the seam between questions and whatever answers them, and the engine behind it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from weft.contracts.requests import SamplingParams
from weft.contracts.steps import TokenLogprobs
from weft.measurement.evaluation.questions import Question, as_messages, as_plain_text
from weft.text.tokenizer import Tokenizer

T = TypeVar("T")

CHAT_FORM, PLAIN_FORM = "chat template", "plain text: Question: …, Answer: …, up to the end of the line"


class Answer(NamedTuple):
    """`prompt_ids`, `output_ids`: what was computed, with the token that ended the answer where there is one."""

    text: str
    prompt_ids: tuple[int, ...] = ()
    output_ids: tuple[int, ...] = ()


class Answerer(Protocol):
    """Answers questions, always the same in the same way. `form`: how it puts a question to the model."""

    @property
    def form(self) -> str: ...

    @property
    def max_model_len(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    def prompt_tokens(self, question: Question) -> int:
        """The length of a question as it is put to the model."""
        ...

    def text_tokens(self, text: str) -> int:
        """The length of an answer."""
        ...

    def answer(
        self, asked: Sequence[tuple[Question, int]], advance: Callable[[], object]
    ) -> Sequence[Answer]:
        """Answers in the order of the questions, each at most so many tokens long. `advance` is called once for
        each answer as it comes."""
        ...


class _Output(Protocol):
    @property
    def text(self) -> str: ...

    @property
    def token_ids(self) -> tuple[int, ...]: ...


class _Answered(Protocol):
    @property
    def prompt_token_ids(self) -> tuple[int, ...]: ...

    @property
    def outputs(self) -> Sequence[_Output]: ...

    @property
    def prompt_logprobs(self) -> Sequence[TokenLogprobs | None] | None: ...


class _Prompting(Protocol):
    @property
    def max_model_len(self) -> int: ...

    @property
    def tokenizer(self) -> Tokenizer | None: ...

    @property
    def chat_template(self) -> object | None: ...

    def encode(self, prompt: str) -> tuple[int, ...]: ...

    def encode_chat(self, messages: Any) -> tuple[int, ...]: ...


class ServedModel(Protocol):
    """What an answerer needs of `weft.AsyncLLM`, whose room is above this one."""

    @property
    def prompting(self) -> _Prompting: ...

    async def generate(self, prompt: Any, sampling: SamplingParams | None = None) -> _Answered: ...

    async def close(self) -> None: ...


class EngineAnswerer:
    """A model that is served by the engine: all questions at once, each answered by the likeliest tokens.

    Takes over `llm`, on which no request was made yet, and closes it. Needs a tokenizer: raises
    `ConfigurationError` at the first text where there is none.
    """

    def __init__(self, llm: ServedModel) -> None:
        self._llm, self._prompting = llm, llm.prompting
        self._runner = asyncio.Runner()
        self._is_chat = self._prompting.chat_template is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the engine and its loop."""
        self._run(self._llm.close())
        self._runner.close()

    @property
    def form(self) -> str:
        return CHAT_FORM if self._is_chat else PLAIN_FORM

    @property
    def max_model_len(self) -> int:
        return self._prompting.max_model_len

    def prompt_tokens(self, question: Question) -> int:
        return len(self._encode(question))

    def text_tokens(self, text: str) -> int:
        return len(self._prompting.encode(text))

    def answer(
        self, asked: Sequence[tuple[Question, int]], advance: Callable[[], object]
    ) -> Sequence[Answer]:
        return self._run(self._answer_all(asked, advance))

    def _encode(self, question: Question) -> tuple[int, ...]:
        if self._is_chat:
            return self._prompting.encode_chat(as_messages(question))
        return self._prompting.encode(as_plain_text(question))

    async def _answer_all(
        self, asked: Sequence[tuple[Question, int]], advance: Callable[[], object]
    ) -> list[Answer]:
        async def follow(question: Question, most_tokens: int) -> Answer:
            answer = await self._answer(question, most_tokens)
            advance()
            return answer

        tasks = [asyncio.ensure_future(follow(*each)) for each in asked]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, question: Question, most_tokens: int) -> Answer:
        stop = () if self._is_chat else ("\n",)
        sampling = SamplingParams(max_tokens=most_tokens, temperature=0.0, stop=stop)
        answered = await self._llm.generate(self._encode(question), sampling)
        output = answered.outputs[0]
        return Answer(output.text, answered.prompt_token_ids, output.token_ids)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)
