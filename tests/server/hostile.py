"""Hostile requests, made from the server's own description: each value at each place of each body.

A field that is added tomorrow is covered by being described. What the description leaves open (messages of chats,
schemas of tools) has places of its own below.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.server.live_server import NAME

Json = dict[str, Any]
MARK = "<here>"
DEEPEST = 6
TURNS = [{"role": "user", "content": "tea?"}]
SHORT: Json = {"model": NAME, "max_tokens": 2}
VALID: Mapping[str, Json] = {
    "/v1/chat/completions": {**SHORT, "messages": TURNS},
    "/v1/completions": {**SHORT, "prompt": "tea"},
    "/v1/messages": {**SHORT, "messages": TURNS},
    "/v1/messages/count_tokens": {"model": NAME, "messages": TURNS},
    "/v1/responses": {"model": NAME, "max_output_tokens": 2, "input": "tea?"},
    "/v1/embeddings": {"model": NAME, "input": "tea"},
    "/tokenize": {"prompt": "tea"},
    "/detokenize": {"tokens": [5]},
}
"""The body of a request that is answered, by route: hostile ones differ from it in one place."""

_TEXTS = {
    "an empty text": "",
    "a text": "tea",
    "a control character": "\0",
    "a header after a line end": "a\r\nset-cookie: b=c",
    "a template": "{{ 7 * 191 }}{% for i in range(10**9) %}{% endfor %}",
    "a format": "%s{0.__class__.__init__.__globals__}",
    "a file": "../../../../etc/hostname",
    "an address": "http://127.0.0.1:9/secret",
    "a pattern that looks back": r"(?<=a)(b)\1",
    "a pattern that explodes": "((((a{1,999}){1,999}){1,999}){1,999}){1,999}",
    "a pattern of many ways": "(a|aa|a*)*$" * 40,
    "a pattern that is none": "([",
    "a rule of itself": "start: start start | start",
    "a special token": "</s><|im_end|><|turn|>",
}
_NUMBERS = (
    "0",
    "-1",
    "1",
    "1.5",
    "-0.0",
    "1e-320",
    f"{1 << 31}",
    f"{(1 << 53) + 1}",
    f"{1 << 64}",
    f"{-(1 << 63) - 1}",
)
_OPEN: dict[str, Any] = {
    "an empty list": [],
    "an empty object": {},
    "a list of null": [None],
    "lists in a list": [[], [[]]],
    "numbers of all kinds": [0, -1, 1.5, True, 1 << 70],
    "an object of objects": {"type": {"type": {"type": "text"}}},
    "a part of an unknown type": [{"type": "file", "file_url": "file:///etc/hostname"}],
    "an image": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/secret"}}],
    "a class": {"__class__": "os.system", "__reduce__": ["id"], "py/object": "os.system"},
    "a recursive schema": {"$ref": "#", "type": "object", "properties": {"a": {"$ref": "#"}}},
    "a schema of two that need each other": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}},
    },
    "a schema from elsewhere": {"$ref": "http://127.0.0.1:9/secret"},
    "an impossible schema": {"type": "string", "minLength": 9, "maxLength": 3, "enum": []},
    "an endless schema": {"type": "array", "minItems": 1 << 40, "items": {"multipleOf": 1e-300}},
    "a schema with a hostile pattern": {"type": "string", "pattern": "((a{1,999}){1,999}){1,999}"},
    "an object for a list": {"0": "a", "1": "b"},
}
SMALL: Mapping[str, bytes] = {
    **{name: json.dumps(text).encode() for name, text in _TEXTS.items()},
    **{number: number.encode() for number in _NUMBERS},
    **{name: json.dumps(value).encode() for name, value in _OPEN.items()},
    **{word: word.encode() for word in ("null", "true", "false", "NaN", "-Infinity", "1e400", "-1e400")},
    "half a surrogate pair": b'"\\ud800"',
    "bytes that are no UTF-8": b'"\xff\xc0\x80"',
    "half a surrogate pair in a key": b'{"\\udfff": 1}',
    "keys twice": b'{"a": 1, "a": {"a": NaN}}',
    "infinity within": b'{"type": "object", "minimum": 1e400, "default": [NaN]}',
    "nothing": b"",
    "a comment": b"1 // one",
}
LARGE: Mapping[str, bytes] = {
    "100,000 texts": b"[" + b'"a",' * 99_999 + b'"b"]',
    "100,000 numbers": b"[" + b"7," * 99_999 + b"7]",
    "100,000 keys": b"{" + b",".join(b'"k%d":1' % number for number in range(100_000)) + b"}",
    "100,000 open lists": b"[" * 100_000,
    "100,000 closed lists": b"[" * 100_000 + b"]" * 100_000,
    "10,000 objects in each other": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "190 lists in each other": b"[" * 190 + b"]" * 190,
    "190 objects in each other": b'{"a":' * 190 + b"1" + b"}" * 190,
    "a million characters": b'"' + b"a" * 1_000_000 + b'"',
    "4,000 digits": b"9" * 4_000,
    "a million digits": b"-" + b"9" * 1_000_000,
    "ten thousand properties": json.dumps(
        {"type": "object", "properties": {f"k{number}": {} for number in range(10_000)}}
    ).encode(),
}
MESSAGES: list[Json] = [
    {"role": MARK, "content": "a"},
    {"role": "user", "content": MARK},
    {"role": "user", "content": "a", "name": MARK},
    {"role": "user", "content": "a", MARK: "a"},
    {"role": "user", "content": [MARK]},
    {"role": "user", "content": [{"type": "text", "text": MARK}]},
    {"role": "user", "content": [{"type": MARK, "text": "a"}]},
    {"role": "assistant", "content": "a", "tool_calls": MARK},
    {"role": "assistant", "tool_calls": [{"id": MARK, "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": MARK, "arguments": "{}"}}]},
    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": MARK}}]},
    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"a": MARK}}}]},
    {"role": "assistant", "content": "a", "reasoning_content": MARK},
    {"role": "tool", "tool_call_id": MARK, "content": "a"},
]
"""What the description says nothing of, but for "an object"."""


class Place(NamedTuple):
    """A body with a mark in it; `name`: the way there."""

    name: str
    body: Any

    def filled(self, value: bytes) -> bytes:
        """The body with this JSON, or what is to be taken for it, in place of the mark."""
        return json.dumps(self.body).encode().replace(json.dumps(MARK).encode(), value)


class Description:
    """The places of all bodies that an OpenAPI document describes."""

    def __init__(self, document: Json) -> None:
        self._schemas, self._paths = document["components"]["schemas"], document["paths"]

    def routes(self) -> list[tuple[str, str]]:
        """Method and path of each."""
        return [(method.upper(), path) for path, methods in self._paths.items() for method in methods]

    def statuses(self, method: str, path: str) -> set[int]:
        """What a route says that it answers."""
        return {int(status) for status in self._paths[path][method.lower()]["responses"]}

    def paths_with_bodies(self) -> list[str]:
        """Those that take one."""
        return [path for path, methods in self._paths.items() if "requestBody" in methods.get("post", {})]

    def valid(self, path: str) -> bytes:
        """A body that is answered."""
        return json.dumps(VALID[path]).encode()

    def places(self, path: str) -> Iterator[Place]:
        """Everywhere in the body of a route, and all of it."""
        yield Place("body", MARK)
        content = self._paths[path]["post"]["requestBody"]["content"]
        for schema in self._alternatives(content["application/json"]["schema"]):
            yield from self._fields(schema, VALID[path], 0)
        if path in ("/v1/chat/completions", "/tokenize"):
            body = {name: value for name, value in VALID[path].items() if name != "prompt"}
            for index, message in enumerate(MESSAGES):
                yield Place(f"messages, form {index}", {**body, "messages": [*TURNS, message]})

    def _fields(self, schema: Json, valid: Json, depth: int) -> Iterator[Place]:
        yield Place("?", {**valid, "unknown_field": MARK})
        for name, inner in schema.get("properties", {}).items():
            yield Place(name, {**valid, name: MARK})
            for place in self._within(inner, depth + 1):
                yield Place(f"{name}.{place.name}", {**valid, name: place.body})

    def _within(self, schema: Json, depth: int) -> Iterator[Place]:
        for alternative in self._alternatives(schema) if depth < DEEPEST else []:
            if alternative.get("properties"):
                yield from self._fields(alternative, self._example(alternative), depth)
            elif alternative.get("type") == "object":
                yield Place("KEY", {"7": MARK})
                yield Place("as a key", {MARK: 1})
            elif alternative.get("type") == "array":
                yield Place("0", [MARK])
                for place in self._within(alternative.get("items", {}), depth + 1):
                    yield Place(f"0.{place.name}", [place.body])

    def _alternatives(self, schema: Json) -> Iterator[Json]:
        """What a value may be, other than null."""
        if "$ref" in schema:
            yield from self._alternatives(self._schemas[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema or "oneOf" in schema:
            for each in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
                yield from self._alternatives(each)
        elif schema.get("type") != "null":
            yield schema

    def _example(self, schema: Json) -> Any:
        """The smallest value that a schema allows."""
        first = next(self._alternatives(schema))
        if "const" in first or "enum" in first:
            return first.get("const", first.get("enum", [None])[0])
        if first.get("type") == "object":
            properties = first.get("properties", {})
            return {name: self._example(properties[name]) for name in first.get("required", ())}
        if first.get("type") == "array":
            return [self._example(first["items"])] * first.get("minItems", 0)
        return {"string": "a", "integer": 1, "number": 1, "boolean": True}.get(first.get("type", ""))
