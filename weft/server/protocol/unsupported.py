"""Options that the protocol documents and Weft does not have: accepted at their documented default only, so
that nobody is answered as if an option had had an effect."""

from dataclasses import dataclass
from typing import Any

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError


@dataclass(frozen=True)
class _Only(AfterValidator):
    """Says in a JSON schema what it lets pass."""

    neutral: tuple[Any, ...] = ()

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"enum": [*self.neutral, None]}


def only(*neutral: Any) -> AfterValidator:
    """Lets pass what leaves such an option without effect: null, or one of its `neutral` values."""

    def check(value: Any) -> Any:
        if value is None or any(type(value) is type(each) and value == each for each in neutral):
            return value
        allowed = " or ".join(repr(each) for each in neutral)
        advice = f"only {allowed} is supported" if neutral else "it is not supported"
        raise PydanticCustomError("unsupported", "{advice}; leave it out", {"advice": advice})

    return _Only(check, neutral)


def replaced_by(newer: str) -> AfterValidator:
    """Lets null pass of an option that the protocol itself has given up for a `newer` one."""

    def check(value: Any) -> Any:
        if value is None:
            return value
        raise PydanticCustomError(
            "unsupported", "it is deprecated and not supported; use {newer}", {"newer": newer}
        )

    return AfterValidator(check)
