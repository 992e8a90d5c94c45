"""Options that the protocol documents and Weft does not have: accepted at their documented default only, so
that nobody is answered as if an option had had an effect."""

from typing import Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def only(*neutral: Any) -> AfterValidator:
    """Lets pass what leaves such an option without effect: null, or one of its `neutral` values."""

    def check(value: Any) -> Any:
        if value is None or any(type(value) is type(each) and value == each for each in neutral):
            return value
        allowed = " or ".join(repr(each) for each in neutral)
        advice = f"only {allowed} is supported" if neutral else "it is not supported"
        raise PydanticCustomError("unsupported", "{advice}; leave it out", {"advice": advice})

    return AfterValidator(check)
