"""Refusing before reading: what a request would cost, told from the length of its body."""

from starlette.types import Scope

from weft.contracts.callers import Caller
from weft.llm.language_model import LanguageModel

SMOOTHING = 0.05
"""Weight of the newest request in the running mean: twenty make up most of it."""


class Intake:
    """Asks the engine's door about requests of which only the length is known: a server that is asked far too much
    must not spend its time on parsing and tokenising what it will refuse. The door is asked again with the tokens."""

    def __init__(self) -> None:
        self._tokens, self._bytes = 0.0, 0.0

    def check(self, llm: LanguageModel, caller: Caller, num_bytes: int) -> None:
        """Raises `RequestRejected` where a body of so many bytes, and as many tokens as such ones have had so far,
        would be refused."""
        tokens = round(num_bytes * self._tokens / self._bytes) if self._bytes else 1
        llm.check_load(caller, max(1, tokens))

    def note(self, num_bytes: int, prompt_tokens: int) -> None:
        """A body had so many tokens in its prompts."""
        self._tokens += SMOOTHING * (prompt_tokens - self._tokens)
        self._bytes += SMOOTHING * (num_bytes - self._bytes)


def declared_bytes(scope: Scope) -> int | None:
    """How long a body is, as its headers say; None where they do not."""
    lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return int(lengths[0][:18]) if len(lengths) == 1 and lengths[0].isdigit() else None
