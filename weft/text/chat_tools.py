"""Tools that a model may call, whatever the protocol and the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function that the client runs. `parameters`: a JSON schema of its arguments, an object. `strict`: refuse
    a schema that cannot be enforced in full, rather than enforce what can be."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
