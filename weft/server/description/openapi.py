"""The OpenAPI document of the server, from its operations and the schemas of their bodies."""

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from weft.contracts.version import __version__
from weft.server.error_formats import MESSAGES_PATH
from weft.server.operations import Operation

Json = dict[str, Any]
STATUSES = {
    400: "A field is wrong, unknown or not supported; the message says what to do.",
    401: "The API key is missing or not valid.",
    403: "The request comes to a foreign host name, or in the name of a foreign tenant.",
    404: "There is no such model or object.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    429: "Too much work waits; Retry-After says when to come back.",
    500: "A defect of the server.",
    503: "The model is being loaded, the server is about to stop, or its engine has stopped.",
}
TEXT = {"type": "string"}
ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": TEXT,
                "type": TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
MESSAGES_ERROR: Json = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": TEXT, "message": TEXT},
        },
        "request_id": TEXT,
    },
}


def openapi_document(operations: Sequence[Operation]) -> Json:
    """OpenAPI 3.1."""
    bodies = list(dict.fromkeys(each.body for each in operations if each.body is not None))
    references, definitions = models_json_schema(
        [(body, "validation") for body in bodies], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Json] = {}
    for each in operations:
        body = None if each.body is None else references[each.body, "validation"]
        paths.setdefault(each.plain_path, {})[each.method.lower()] = _operation(each, body)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Weft", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Error": ERROR, "MessagesError": MESSAGES_ERROR},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "security": [{"bearer": []}, {"key": []}, {}],
    }


def _operation(operation: Operation, body: Json | None) -> Json:
    described: Json = {"summary": operation.summary, "responses": _responses(operation)}
    if operation.parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": TEXT} for name in operation.parameters
        ]
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def _responses(operation: Operation) -> Json:
    speaks_messages = operation.path.startswith(MESSAGES_PATH)
    error = {"$ref": f"#/components/schemas/{'MessagesError' if speaks_messages else 'Error'}"}
    failed = {"application/json": {"schema": error}}
    return {
        "200": {"description": "The answer.", "content": _answers(operation)},
        **{
            str(status): {"description": STATUSES[status], "content": failed}
            for status in _statuses(operation)
        },
    }


def _answers(operation: Operation) -> Json:
    schema = {"type": "object"} if operation.media_type == "application/json" else TEXT
    content = {operation.media_type: {"schema": schema}}
    return {**content, "text/event-stream": {"schema": TEXT}} if operation.streams else content


def _statuses(operation: Operation) -> list[int]:
    statuses = {400, 401, 403, 500}
    if operation.body is not None:
        statuses |= {404, 408, 413, 415}
    if operation.parameters:
        statuses.add(404)
    if operation.needs != "nothing":
        statuses.add(503)
    if operation.needs == "work":
        statuses.add(429)
    return sorted(statuses)
