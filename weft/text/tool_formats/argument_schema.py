"""The schema that the arguments of a call must fit."""

from collections.abc import Mapping
from typing import Any

from weft.text.chat_tools import FunctionTool

_OPEN_ENDED = (
    *("additionalProperties", "unevaluatedProperties", "patternProperties", "propertyNames"),
    *("allOf", "anyOf", "oneOf", "not", "if", "$ref", "dependentSchemas"),
)

SPACING = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""JSON as models are shown it in their training; free whitespace would let a weak model write nothing else."""


def argument_schema(tool: FunctionTool) -> dict[str, Any]:
    """Of an object, with the library's options in it. A function that lists its arguments takes no others, whether its
    schema says so or not; one without a schema takes none."""
    schema = {"type": "object", **tool.parameters}
    if not any(key in schema for key in _OPEN_ENDED) and ("properties" in schema or not tool.parameters):
        schema["additionalProperties"] = False
    return with_options(schema, strict=tool.strict)


def with_options(schema: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """A schema with the library's options for it. `strict`: a keyword that cannot be enforced is an error; else it is
    passed over, as the protocols' non-strict schemas are a wish."""
    return {**schema, "x-guidance": {**SPACING, "lenient": not strict}}
