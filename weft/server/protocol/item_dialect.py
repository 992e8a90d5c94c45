"""What protocols have in common whose answers are lists of typed items: one conversation, one output."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from weft.llm.language_model import LanguageModel
from weft.llm.results import CompletionChunk, CompletionOutput, FinishReason
from weft.server.conversation.ask import ConversationAsk
from weft.server.conversation.conversation import Conversation
from weft.server.protocol.answer_items import AnswerItem, AnswerItems, ItemNews
from weft.server.protocol.dialect import Dialect, Json
from weft.server.protocol.fields import GenerationFields, RequestFields
from weft.server.protocol.generating import Asked, Usage
from weft.server.protocol.sampling import room_tokens, sampling_params

ItemBody = TypeVar("ItemBody", bound=RequestFields)


class Finish(NamedTuple):
    """Why the output ended, as in `CompletionChunk`."""

    reason: FinishReason
    stop: str | int | None


class ItemDialect(Dialect[ItemBody]):
    """One conversation. `finish`: why its output ended; None while it goes on."""

    names_events = True

    def __init__(self, llm: LanguageModel, body: ItemBody, ask: ConversationAsk) -> None:
        super().__init__(llm, body)
        self._conversation = Conversation(llm, ask)
        self._answer: AnswerItems | None = None
        self.finish: Finish | None = None

    @abstractmethod
    def sampled(self) -> GenerationFields:
        """How to sample, in our own fields; without `max_tokens`, as many as there is room for."""

    @abstractmethod
    def told(self, news: ItemNews) -> list[Json]:
        """The events that tell what happened to an item."""

    @abstractmethod
    def answer(self, usage: Usage) -> Json:
        """The whole answer, by what is known of it."""

    @property
    def items(self) -> Sequence[AnswerItem]:
        """Of the answer so far."""
        return () if self._answer is None else self._answer.items

    @property
    def has_calls(self) -> bool:
        """Whether the answer calls tools."""
        return any(item.kind == "call" for item in self.items)

    async def asked(self) -> list[Asked]:
        """One prompt."""
        tokens, fields, prompting = await self._conversation.encode(), self.sampled(), self.llm.prompting
        room = room_tokens(prompting, len(tokens))
        limit = fields.max_tokens or min(room, prompting.defaults.max_new_tokens or room)
        sampling = sampling_params(fields, prompting, max_tokens=limit, logprobs=None)
        self._answer = AnswerItems(self._conversation.reader())
        return [Asked(tokens, self._conversation.sampling(sampling))]

    def whole(self, outputs: Sequence[CompletionOutput], usage: Usage) -> Json:
        """The answer in one piece."""
        (output,) = outputs
        self._read(output)
        return self.answer(usage)

    def news(self, chunk: CompletionChunk) -> list[Json]:
        """News of items."""
        return [event for news in self._read(chunk) for event in self.told(news)]

    def _read(self, output: CompletionOutput | CompletionChunk) -> list[ItemNews]:
        assert self._answer is not None
        news = self._answer.feed(output.text)
        if output.finish_reason is not None:
            self.finish = Finish(output.finish_reason, output.stop_reason)
            news += self._answer.end(is_cut=output.finish_reason == "length")
        return news
