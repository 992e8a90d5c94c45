"""What chats and completions have in common: answers are lists of choices, under one head."""

import secrets
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, TypeVar

from weft.llm.language_model import LanguageModel
from weft.llm.results import CompletionChunk, CompletionOutput
from weft.server.http.prepared_json import PreparedJson
from weft.server.protocol.dialect import Dialect, Event, Json
from weft.server.protocol.fields import GenerationFields
from weft.server.protocol.generating import Asked, Usage
from weft.server.protocol.sampling import check_streaming
from weft.server.protocol.token_logprobs import TokenNames

ChoicesBody = TypeVar("ChoicesBody", bound=GenerationFields)


class Words(NamedTuple):
    """News of a choice that are nothing but text, as nearly all are."""

    choice: int
    text: str


class ChoicesDialect(Dialect[ChoicesBody]):
    """`id_prefix`, `object_name`, `chunk_name`: what the protocol calls its answers. Raises `ApiError` where
    options of a stream are given without one."""

    id_prefix: ClassVar[str]
    object_name: ClassVar[str]
    chunk_name: ClassVar[str]

    def __init__(self, llm: LanguageModel, body: ChoicesBody) -> None:
        super().__init__(llm, body)
        check_streaming(body)
        self.names = TokenNames(llm.prompting.tokenizer)
        self._prepared: dict[int, PreparedJson] = {}
        self._usage_so_far: Usage | None = None
        self._head = {
            "id": f"{self.id_prefix}-{secrets.token_hex(16)}",
            "created": int(time.time()),
            "model": body.model,
            "system_fingerprint": llm.fingerprint,
        }

    @abstractmethod
    def choice(self, output: CompletionOutput) -> Json:
        """One whole output."""

    @abstractmethod
    def opening(self, num_choices: int) -> list[Json]:
        """Choices that a stream begins with."""

    @abstractmethod
    def part(self, chunk: CompletionChunk) -> Sequence[Json | Words]:
        """Choices that tell news of one output; none where there is nothing to tell yet."""

    @abstractmethod
    def words(self, index: int, text: str) -> Json:
        """A choice that tells of text only."""

    def whole(self, outputs: Sequence[CompletionOutput], usage: Usage) -> Json:
        """The answer in one piece."""
        choices = [self.choice(output) for output in outputs]
        return {**self._head, "object": self.object_name, "choices": choices, "usage": usage.as_json()}

    def begin(self, asked: Sequence[Asked], usage: Usage) -> list[Json]:
        """An event for each choice that the protocol opens."""
        options = self.body.stream_options
        if options is not None and options.continuous_usage_stats:
            self._usage_so_far = usage
        return [self._piece([choice]) for choice in self.opening(sum(each.sampling.n for each in asked))]

    def news(self, chunk: CompletionChunk) -> Sequence[Event]:
        """An event for each choice that has news."""
        return [
            self._spoken(*each) if isinstance(each, Words) else self._piece([each])
            for each in self.part(chunk)
        ]

    def _spoken(self, index: int, text: str) -> Event:
        if self._usage_so_far is not None:
            return self._piece([self.words(index, text)])
        if index not in self._prepared:
            self._prepared[index] = PreparedJson(lambda said: self._piece([self.words(index, said)]))
        return self._prepared[index].filled(text)

    def end(self, usage: Usage) -> list[Json]:
        """The usage, for those who asked."""
        return [{**self._piece([]), "usage": usage.as_json()}] if self._includes_usage else []

    @property
    def _includes_usage(self) -> bool:
        options = self.body.stream_options
        return options is not None and options.include_usage is True

    def _piece(self, choices: list[Json]) -> Json:
        piece: Json = {**self._head, "object": self.chunk_name, "choices": choices}
        usage = None if self._usage_so_far is None else self._usage_so_far.as_json()
        return {**piece, "usage": usage} if self._includes_usage else piece
