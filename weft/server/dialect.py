"""What the two protocols for output have in common: a body becomes prompts, outputs become an answer."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from weft.llm.async_llm import AsyncLLM
from weft.llm.results import CompletionChunk, CompletionOutput
from weft.server.fields import GenerationFields
from weft.server.generating import Asked, Usage
from weft.server.token_logprobs import TokenNames

Body = TypeVar("Body", bound=GenerationFields)
Json = dict[str, object]


class Dialect(ABC, Generic[Body]):
    """One request in one protocol, from body to answer.

    `schema`: of the body. `id_prefix`, `object_name`, `chunk_name`: what the protocol calls its answers.
    """

    schema: ClassVar[type[GenerationFields]]
    id_prefix: ClassVar[str]
    object_name: ClassVar[str]
    chunk_name: ClassVar[str]

    def __init__(self, llm: AsyncLLM, body: Body, model_name: str) -> None:
        self.llm, self.body = llm, body
        self.names = TokenNames(llm.prompting.tokenizer)
        self._head = {
            "id": f"{self.id_prefix}-{secrets.token_hex(16)}",
            "created": int(time.time()),
            "model": model_name,
            "system_fingerprint": llm.serving.executor.numeric_fingerprint,
        }

    @abstractmethod
    async def asked(self) -> list[Asked]:
        """The prompts as tokens, each with its parameters. Raises `InvalidRequest`, `ApiError`."""

    @abstractmethod
    def choice(self, output: CompletionOutput) -> Json:
        """One whole output."""

    @abstractmethod
    def opening(self, num_choices: int) -> list[Json]:
        """Choices that a stream begins with."""

    @abstractmethod
    def part(self, chunk: CompletionChunk) -> list[Json]:
        """Choices that tell news of one output; none where there is nothing to tell yet."""

    def whole(self, outputs: Sequence[CompletionOutput], usage: Usage) -> Json:
        """The answer in one piece."""
        choices = [self.choice(output) for output in outputs]
        return {**self._head, "object": self.object_name, "choices": choices, "usage": usage.as_json()}

    def pieces(self, choices: Sequence[Json]) -> list[Json]:
        """Events of a stream, one for each choice that has news."""
        return [self._piece([choice]) for choice in choices]

    def usage_piece(self, usage: Usage) -> Json:
        """The event that tells the usage, for those who asked."""
        return {**self._piece([]), "usage": usage.as_json()}

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        options = self.body.stream_options
        return options is not None and options.include_usage is True

    def _piece(self, choices: list[Json]) -> Json:
        piece: Json = {**self._head, "object": self.chunk_name, "choices": choices}
        return {**piece, "usage": None} if self.includes_usage else piece
