"""Reading values out of a parsed JSON object, with types and ranges checked."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from weft.contracts.errors import ConfigurationError

MOST_SIZE = 2**31 - 1
"""Sizes and token ids are 32-bit in every runtime that reads such files."""

LONGEST_SHOWN = 80
"""Characters of a wrong value that an error shows."""


def read_json_object(path: Path) -> dict[str, object]:
    """The object in a JSON file; raises `ConfigurationError` where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds {show(content)}; it must hold a JSON object")
    return content


def show(value: object) -> str:
    """A value on one line, as JSON where it came from JSON, and cut where it is long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Puts the name of the file in front of errors about what is in it."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """Typed access to `values`; null counts as missing.

    Errors name the key, with `prefix` before it where the object is itself a value. Whoever knows the file
    puts its name in front (`naming`).
    """

    values: Mapping[str, object]
    prefix: str = ""

    def refuse(self, key: str, allowed: str) -> ConfigurationError:
        """The error about a key's value, to be raised by the caller."""
        if not self.has(key):
            return ConfigurationError(f"{self.prefix}{key} is missing; it must be {allowed}")
        return ConfigurationError(f"{self.prefix}{key} is {show(self.values[key])}; it must be {allowed}")

    def has(self, key: str) -> bool:
        """Whether there is a value other than null."""
        return self.values.get(key) is not None

    def size(self, key: str, default: int | None = None, most: int = MOST_SIZE) -> int:
        """A whole number from 1 on. Without a default the key is required."""
        return self.integer(key, default, least=1, most=most)

    def integer(self, key: str, default: int | None = None, *, least: int, most: int = MOST_SIZE) -> int:
        """A whole number between two bounds. Without a default the key is required."""
        value = self.values.get(key)
        if value is None and default is not None:
            return default
        if not is_integer(value) or not least <= value <= most:
            raise self.refuse(key, f"a whole number between {least} and {most}")
        return value

    def optional_size(self, key: str) -> int | None:
        """A whole number from 1 on, or None."""
        return self.size(key) if self.has(key) else None

    def number(self, key: str, default: float | None = None, *, least: float, most: float) -> float:
        """A finite number between two bounds. Without a default the key is required."""
        value = self.values.get(key)
        if value is None and default is not None:
            return default
        # the bounds also keep out NaN, infinities and integers that are too large to become a float
        if not is_number(value) or not least <= value <= most:
            raise self.refuse(key, f"a number between {least:g} and {most:g}")
        return float(value)

    def optional_number(self, key: str, *, least: float, most: float) -> float | None:
        """A finite number between two bounds, or None."""
        return self.number(key, least=least, most=most) if self.has(key) else None

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def text(self, key: str, default: str) -> str:
        """A string."""
        value = self.values.get(key)
        value = default if value is None else value
        if not isinstance(value, str):
            raise self.refuse(key, "a string")
        return value

    def choices(self, key: str, allowed: Sequence[str]) -> tuple[str, ...] | None:
        """A list of strings out of a few, or None."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or any(entry not in allowed for entry in value):
            raise self.refuse(key, f"a list of {', '.join(map(repr, allowed))}")
        return tuple(value)

    def integers(self, key: str, *, least: int, most: int = MOST_SIZE) -> tuple[int, ...]:
        """A list of whole numbers between two bounds; empty where it is missing."""
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(is_integer(x) and least <= x <= most for x in value):
            raise self.refuse(key, f"a list of whole numbers between {least} and {most}")
        return tuple(value)

    def section(self, key: str) -> "ConfigReader | None":
        """The object below a key, or None."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.refuse(key, "an object")
        return ConfigReader(value, f"{self.prefix}{key}.")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether JSON holds a number here: true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: object) -> TypeGuard[int]:
    """Whether JSON holds a whole number here: true and false are none, nor is 1.0."""
    return isinstance(value, int) and not isinstance(value, bool)
