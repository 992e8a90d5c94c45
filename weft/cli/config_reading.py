"""The text of a configuration: keys and values, each as it is written, and where it stands.

YAML is taken as what most people write: keys with texts, or lists of them, at the top and in sections. All values stay
texts, as they would come from the command line, so `on`, `no`, `010` and `1:30` mean what they say. What YAML has
beyond that (anchors and aliases, tags, merge keys, several documents) is refused, and nothing is built from it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from yaml import events as kinds

from weft.contracts.errors import ConfigurationError

MOST_BYTES = 1 << 20
MOST_TEXTS = 1000
"""Keys and values together; bounds how long the rest takes."""

NOTHING = ("", "~", "null", "Null", "NULL")
"""How YAML writes that there is no value."""

FORM = "write lines of KEY: VALUE"

Value = str | tuple[str, ...] | None
"""A text, a list of texts, or nothing."""


class Entry(NamedTuple):
    """A key and its value. `section`: nothing at the top. The head of a section with keys in it has the value None
    and `is_section`."""

    line: int
    section: str
    key: str
    value: Value
    is_section: bool = False


def read_entries(path: Path) -> list[Entry]:
    """All entries of a file in their order, those that come twice too.

    Raises `ConfigurationError` with the line for what cannot be read, is no YAML, or has another form.
    """
    return _Reader(path, _text_of(path)).entries()


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigurationError(
            f"configuration {str(path)!r} cannot be read ({reason}); give a YAML file"
        ) from None
    if len(found) > MOST_BYTES:
        raise ConfigurationError(f"{path} is larger than {MOST_BYTES >> 10} KiB; give a configuration")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no UTF-8 text at byte {error.start}; save it as UTF-8") from None


class _Reader:
    """Goes through the events of one file. Nothing is built but texts, and no value is deeper than a list in a
    section."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._events, self._num_texts = path, _events(path, text), 0

    def entries(self) -> list[Entry]:
        next(self._events)  # the stream's own
        if isinstance(next(self._events), kinds.StreamEndEvent):
            raise ConfigurationError(f"{self._path}: it is empty; {FORM}")
        first = next(self._events)
        if isinstance(first, kinds.ScalarEvent) and _is_nothing(first):
            raise ConfigurationError(f"{self._path}: it is empty; {FORM}")
        if not isinstance(first, kinds.MappingStartEvent):
            raise self._wrong(first, f"the file is no mapping; {FORM}")
        self._check(first)
        found = list(self._mapping(""))
        next(self._events)  # of the document's end
        following = next(self._events)
        if not isinstance(following, kinds.StreamEndEvent):
            raise self._wrong(following, "a second document begins; give one")
        return found

    def _mapping(self, section: str) -> Iterator[Entry]:
        while not isinstance(event := next(self._events), kinds.MappingEndEvent):
            if not isinstance(event, kinds.ScalarEvent):
                raise self._wrong(event, f"a key is no plain text; {FORM}")
            line, text = _line(event), self._text(event)
            key = "null" if text is None else text
            event = next(self._events)
            if isinstance(event, kinds.MappingStartEvent) and not section:
                self._check(event)
                yield Entry(line, "", key, None, is_section=True)
                yield from self._mapping(key)
            else:
                yield Entry(line, section, key, self._value(event, key))

    def _value(self, event: kinds.Event, key: str) -> Value:
        if isinstance(event, kinds.ScalarEvent):
            return self._text(event)
        if not isinstance(event, kinds.SequenceStartEvent):
            raise self._wrong(event, f"{key!r} is a mapping; give a text, a number or a list of them")
        self._check(event)
        items = []
        while not isinstance(event := next(self._events), kinds.SequenceEndEvent):
            if not isinstance(event, kinds.ScalarEvent):
                raise self._wrong(event, f"in the list {key!r} is another one; give texts or numbers")
            if (item := self._text(event)) is None:
                raise self._wrong(event, f"in the list {key!r} is an empty item; fill it or leave it out")
            items.append(item)
        return tuple(items)

    def _text(self, event: kinds.ScalarEvent) -> str | None:
        """As it is written; None where that is nothing."""
        self._check(event)
        self._num_texts += 1
        if self._num_texts > MOST_TEXTS:
            raise self._wrong(event, f"there are more than {MOST_TEXTS} keys and values; give fewer")
        if "\0" in event.value or any("\ud800" <= character <= "\udfff" for character in event.value):
            raise self._wrong(event, "a text has a character that no text may have; take it out")
        return None if _is_nothing(event) else event.value

    def _check(self, event: kinds.Event) -> None:
        """Refuse what is put in front of a value."""
        if getattr(event, "anchor", None) is not None:
            raise self._wrong(event, "an anchor (&) is not allowed; write each value where it belongs")
        if (tag := getattr(event, "tag", None)) is not None:
            raise self._wrong(event, f"the tag {tag!r} is not allowed; write the value alone")

    def _wrong(self, event: kinds.Event, problem: str) -> ConfigurationError:
        if isinstance(event, kinds.AliasEvent):
            problem = "an alias (*) is not allowed; write each value where it belongs"
        return ConfigurationError(f"{self._path}:{_line(event)}: {problem}")


def _events(path: Path, text: str) -> Iterator[kinds.Event]:
    """Of PyYAML's parser, whose complaints become ours. It lets through what Python says of impossible escapes."""
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        at = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise ConfigurationError(f"{path}{at}: this is no YAML ({error.problem}); {FORM}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        told = getattr(error, "reason", None) or error
        raise ConfigurationError(f"{path}: this is no YAML ({told}); {FORM}") from None


def _is_nothing(event: kinds.ScalarEvent) -> bool:
    return event.style is None and event.value in NOTHING


def _line(event: kinds.Event) -> int:
    assert event.start_mark is not None
    return int(event.start_mark.line) + 1
