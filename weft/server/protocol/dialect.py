"""What all protocols for output have in common: a body becomes prompts, outputs become an answer, in one piece or as
a stream of events."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from weft.llm.language_model import LanguageModel
from weft.llm.results import CompletionChunk, CompletionOutput
from weft.server.errors import ApiError
from weft.server.protocol.fields import RequestFields
from weft.server.protocol.generating import Asked, Usage

Body = TypeVar("Body", bound=RequestFields)
Json = dict[str, object]
Event = Json | bytes
"""An object, or the JSON text of one, in a dialect whose events have no names."""


class Dialect(ABC, Generic[Body]):
    """One request in one protocol, from body to answer.

    `schema`: of the body. `names_events`: whether each event of a stream is preceded by its name, which its `type`
    repeats, and nothing follows the last; else events have no names, and `[DONE]` follows.
    """

    schema: ClassVar[type[RequestFields]]
    names_events: ClassVar[bool] = False

    def __init__(self, llm: LanguageModel, body: Body) -> None:
        self.llm, self.body = llm, body

    @abstractmethod
    async def asked(self) -> list[Asked]:
        """The prompts as tokens, each with its parameters. Raises `InvalidRequest`, `ApiError`."""

    @abstractmethod
    def whole(self, outputs: Sequence[CompletionOutput], usage: Usage) -> Json:
        """The answer in one piece."""

    @abstractmethod
    def begin(self, asked: Sequence[Asked], usage: Usage) -> list[Json]:
        """The events that a stream begins with, once its first token is known."""

    @abstractmethod
    def news(self, chunk: CompletionChunk) -> Sequence[Event]:
        """The events that tell news of one output; none where there is nothing to tell yet."""

    @abstractmethod
    def end(self, usage: Usage) -> list[Json]:
        """The events that a stream ends with, after all outputs."""

    def failure(self, error: ApiError) -> Json:
        """The last event of a stream that breaks off."""
        return error.body
