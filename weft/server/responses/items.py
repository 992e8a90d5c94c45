"""Items of /v1/responses as JSON, and the events that tell of them. `key`: of the response, for ids of its items."""

from weft.server.protocol.answer_items import AnswerItem, ItemNews
from weft.server.protocol.dialect import Json

PREFIXES = {"text": "msg", "reasoning": "rs", "call": "fc"}
PARTS = {"text": "output_text", "reasoning": "reasoning_text"}


def item_json(key: str, item: AnswerItem, status: str) -> Json:
    """An item as far as it came."""
    head: Json = {"id": _item_id(key, item), "status": status}
    if item.kind == "call":
        assert item.call is not None
        call = {"call_id": item.call.call_id, "name": item.call.name, "arguments": item.text}
        return {**head, "type": "function_call", **call}
    content = [] if status == "in_progress" else [_part(item, item.text)]
    if item.kind == "reasoning":
        return {**head, "type": "reasoning", "summary": [], "content": content}
    return {**head, "type": "message", "role": "assistant", "content": content}


def item_events(key: str, news: ItemNews) -> list[Json]:
    """What happened to an item, without sequence numbers."""
    item, place = news.item, _place(key, news.item)
    if news.kind == "opened":
        return _opened(key, item, place)
    if news.kind == "closed":
        return _closed(key, item, place)
    kind = "function_call_arguments" if item.kind == "call" else PARTS[item.kind]
    return [{"type": f"response.{kind}.delta", **place, **_logprobs(item), "delta": news.text}]


def _opened(key: str, item: AnswerItem, place: Json) -> list[Json]:
    added: Json = {
        "type": "response.output_item.added",
        "output_index": item.index,
        "item": item_json(key, item, "in_progress"),
    }
    if item.kind == "call":
        return [added]
    return [added, {"type": "response.content_part.added", **place, "part": _part(item, "")}]


def _closed(key: str, item: AnswerItem, place: Json) -> list[Json]:
    status = "completed" if item.is_complete else "incomplete"
    done: Json = {
        "type": "response.output_item.done",
        "output_index": item.index,
        "item": item_json(key, item, status),
    }
    if item.kind == "call":
        assert item.call is not None
        call = {"arguments": item.text, "name": item.call.name}
        return [{"type": "response.function_call_arguments.done", **place, **call}, done]
    told: Json = {**_logprobs(item), "text": item.text}
    return [
        {"type": f"response.{PARTS[item.kind]}.done", **place, **told},
        {"type": "response.content_part.done", **place, "part": _part(item, item.text)},
        done,
    ]


def _item_id(key: str, item: AnswerItem) -> str:
    return f"{PREFIXES[item.kind]}_{key}{item.index:04x}"


def _place(key: str, item: AnswerItem) -> Json:
    place: Json = {"item_id": _item_id(key, item), "output_index": item.index}
    return place if item.kind == "call" else {**place, "content_index": 0}


def _part(item: AnswerItem, text: str) -> Json:
    part: Json = {"type": PARTS[item.kind], "text": text}
    return part if item.kind == "reasoning" else {**part, "annotations": [], **_logprobs(item)}


def _logprobs(item: AnswerItem) -> Json:
    """None are told, which for texts the protocol wants to be said."""
    return {"logprobs": []} if item.kind == "text" else {}
