"""/v1/responses: conversations as lists of items."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

from weft.contracts.requests import SamplingParams
from weft.llm.language_model import LanguageModel
from weft.server.errors import ApiError
from weft.server.protocol.answer_items import AnswerItem, ItemNews
from weft.server.protocol.dialect import Json
from weft.server.protocol.fields import GenerationFields
from weft.server.protocol.generating import Asked, Usage
from weft.server.protocol.item_dialect import ItemDialect
from weft.server.responses.items import item_events, item_json
from weft.server.responses.schema import ResponsesBody
from weft.server.responses.store import ResponseStore
from weft.server.responses.turns import answer_messages, conversation_ask, input_messages


class ResponsesDialect(ItemDialect[ResponsesBody]):
    """Items in, items out. The answer goes to the `store`, where the `tenant` finds it again.

    Raises `ApiError` 404 where the answer before this one is not there.
    """

    schema = ResponsesBody

    def __init__(self, llm: LanguageModel, body: ResponsesBody, store: ResponseStore, tenant: str) -> None:
        self._store, self._tenant = store, tenant
        self._earlier = self._earlier_messages(body.previous_response_id)
        super().__init__(llm, body, conversation_ask(body, self._earlier, llm))
        self._key = secrets.token_hex(16)
        self._created_at = int(time.time())
        self._num_events = 0
        self._sampling = SamplingParams()

    def _earlier_messages(self, response_id: str | None) -> list[dict[str, Any]]:
        if response_id is None:
            return []
        messages = self._store.messages(self._tenant, response_id)
        if messages is None:
            raise no_response("previous_response_id", response_id)
        return messages

    def sampled(self) -> GenerationFields:
        """The fields of this protocol under our names."""
        body = self.body
        return GenerationFields(
            model=body.model,
            max_tokens=body.max_output_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            stop=body.stop,
            ignore_eos=body.ignore_eos,
        )

    async def asked(self) -> list[Asked]:
        """One prompt."""
        (asked,) = await super().asked()
        self._sampling = asked.sampling
        return [asked]

    def begin(self, asked: Sequence[Asked], usage: Usage) -> list[Json]:
        """The answer while nothing is known of it."""
        response = self._response(usage)
        return self._numbered(
            {"type": "response.created", "response": response},
            {"type": "response.in_progress", "response": response},
        )

    def told(self, news: ItemNews) -> list[Json]:
        """One event or several, by the kind of item."""
        return self._numbered(*item_events(self._key, news))

    def end(self, usage: Usage) -> list[Json]:
        """The whole answer."""
        response = self.answer(usage)
        return self._numbered({"type": f"response.{response['status']}", "response": response})

    def failure(self, error: ApiError) -> Json:
        """The answer as far as it came, with the error."""
        failed = {"code": error.code or error.kind, "message": error.message}
        response = {**self._response(None), "status": "failed", "error": failed}
        return self._numbered({"type": "response.failed", "response": response})[0]

    def answer(self, usage: Usage) -> Json:
        """The whole answer, which is kept unless the client says otherwise."""
        response = {**self._response(usage), "completed_at": int(time.time())}
        if self.body.store is not False:
            messages = [*self._earlier, *input_messages(self.body.input), *answer_messages(self.items)]
            self._store.keep(self._tenant, self._id, response, messages)
        return response

    @property
    def _id(self) -> str:
        return f"resp_{self._key}"

    def _numbered(self, *events: Json) -> list[Json]:
        first = self._num_events
        self._num_events += len(events)
        return [{**event, "sequence_number": first + number} for number, event in enumerate(events)]

    def _response(self, usage: Usage | None) -> Json:
        body, status = self.body, self._status
        is_cut = status == "incomplete"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "completed_at": None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "model": body.model,
            "output": [self._item(item) for item in self.items],
            "usage": _usage(usage) if usage is not None and self.finish is not None else None,
            "instructions": body.instructions,
            "previous_response_id": body.previous_response_id,
            "max_output_tokens": body.max_output_tokens,
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
            **_repeated(body),
        }

    @property
    def _status(self) -> str:
        if self.finish is None:
            return "in_progress"
        return "incomplete" if self.finish.reason == "length" else "completed"

    def _item(self, item: AnswerItem) -> Json:
        return item_json(self._key, item, "completed" if item.is_complete else "incomplete")


def no_response(param: str, response_id: str) -> ApiError:
    """Nobody is told whether another tenant has a response of this name."""
    return ApiError(
        404,
        f"there is no response {response_id[:80]!r}; it was deleted, was not stored, or made room for later ones",
        param=param,
        code="response_not_found",
    )


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _repeated(body: ResponsesBody) -> Json:
    """What an answer repeats of its request, as the protocol has it, with the defaults that hold."""
    shown = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "tools": shown.get("tools", []),
        "tool_choice": shown.get("tool_choice", "auto"),
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "text": {"format": {"type": "text"}, **shown.get("text", {})},
        "reasoning": {"effort": None, "summary": None, **shown.get("reasoning", {})},
        "metadata": body.metadata or {},
        "store": body.store is not False,
        "user": body.user,
        "safety_identifier": body.safety_identifier,
        "background": False,
        "service_tier": "default",
        "top_logprobs": 0,
        "truncation": "disabled",
    }
