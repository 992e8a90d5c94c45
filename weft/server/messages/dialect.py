"""/v1/messages: conversations in Anthropic's protocol."""

import secrets
from collections.abc import Sequence

from pydantic_core import from_json

from weft.llm.language_model import LanguageModel
from weft.server.error_formats import messages_error
from weft.server.errors import ApiError
from weft.server.messages.schema import MessagesBody
from weft.server.messages.turns import conversation_ask
from weft.server.protocol.answer_items import AnswerItem, ItemNews
from weft.server.protocol.dialect import Json
from weft.server.protocol.fields import GenerationFields
from weft.server.protocol.generating import Asked, Usage
from weft.server.protocol.item_dialect import ItemDialect

DELTAS = {
    "text": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "call": ("input_json_delta", "partial_json"),
}
"""The type of a delta, and its field, by the kind of the item that grows."""


class MessagesDialect(ItemDialect[MessagesBody]):
    """Turns in, blocks out. `request_id`: as errors name it."""

    schema = MessagesBody

    def __init__(self, llm: LanguageModel, body: MessagesBody, request_id: str) -> None:
        super().__init__(llm, body, conversation_ask(body, llm))
        self._request_id = request_id
        self._id = f"msg_{secrets.token_hex(16)}"

    def sampled(self) -> GenerationFields:
        """The fields of this protocol under our names."""
        body = self.body
        return GenerationFields(
            model=body.model,
            max_tokens=body.max_tokens,
            stop=body.stop_sequences,
            temperature=body.temperature,
            top_p=body.top_p,
            top_k=body.top_k,
        )

    def answer(self, usage: Usage) -> Json:
        """A message; without content and ending while nothing is known of them."""
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self.body.model,
            "content": [_block(item) for item in self.items],
            **self._ending(),
            "usage": {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens},
        }

    def begin(self, asked: Sequence[Asked], usage: Usage) -> list[Json]:
        """A message without content."""
        return [{"type": "message_start", "message": self.answer(usage)}]

    def told(self, news: ItemNews) -> list[Json]:
        """One event for each."""
        index, item = news.item.index, news.item
        if news.kind == "opened":
            return [{"type": "content_block_start", "index": index, "content_block": _block(item)}]
        if news.kind == "closed":
            return [{"type": "content_block_stop", "index": index}]
        kind, field = DELTAS[item.kind]
        return [{"type": "content_block_delta", "index": index, "delta": {"type": kind, field: news.text}}]

    def end(self, usage: Usage) -> list[Json]:
        """Why the message ended."""
        output_tokens = {"output_tokens": usage.completion_tokens}
        return [
            {"type": "message_delta", "delta": self._ending(), "usage": output_tokens},
            {"type": "message_stop"},
        ]

    def failure(self, error: ApiError) -> Json:
        """The event `error`."""
        return messages_error(error, self._request_id)

    def _ending(self) -> Json:
        finish = self.finish
        if finish is None:
            return {"stop_reason": None, "stop_sequence": None}
        if isinstance(finish.stop, str):
            return {"stop_reason": "stop_sequence", "stop_sequence": finish.stop}
        if finish.reason == "length":
            return {"stop_reason": "max_tokens", "stop_sequence": None}
        return {"stop_reason": "tool_use" if self.has_calls else "end_turn", "stop_sequence": None}


def _block(item: AnswerItem) -> Json:
    if item.kind == "text":
        return {"type": "text", "text": item.text}
    if item.kind == "reasoning":
        return {"type": "thinking", "thinking": item.text, "signature": ""}
    assert item.call is not None
    return {"type": "tool_use", "id": item.call.call_id, "name": item.call.name, "input": _input(item)}


def _input(item: AnswerItem) -> Json:
    """Arguments as an object; of those that the output's limit cut short, what can be read, as clients do that
    gather a stream."""
    try:
        arguments = from_json(item.text or "{}", allow_partial=not item.is_complete)
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
