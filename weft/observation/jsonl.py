"""Events as lines of JSON, and back.

One line per event: an object whose first key "event" names the type, then its fields in the contract's
order; enums by value, seconds rounded to 9 digits, ASCII only. Equal events give equal lines, so a digest of
the lines identifies a run.
"""

import json
from collections.abc import Callable, Iterator
from enum import Enum
from math import isfinite
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, NamedTuple, NoReturn, Self, cast, get_args, get_origin, get_type_hints

from weft.contracts.errors import WeftError
from weft.contracts.events import Event
from weft.observation.event_log import EVENT_TYPES

SECONDS_DIGITS = 9
MOST_SHOWN_CHARACTERS = 200


class EventFormatError(WeftError):
    """A line is not an event, or an event holds a value that JSON has no form for."""


class _Codec(NamedTuple):
    """How values of one type are written and read; `decode` raises ValueError with what was expected."""

    encode: Callable[[Any], object]
    decode: Callable[[object], Any]


def to_json_line(event: Event) -> str:
    """An event as one line of JSON, without the line's end.

    Raises EventFormatError where a number is not finite.
    """
    name = type(event).__name__
    fields = cast("dict[str, object]", _EVENT_CODECS[name].encode(event))
    try:
        return _ENCODER.encode({"event": name, **fields})
    except ValueError as error:
        raise EventFormatError(f"{_shown(repr(event))} has no form in JSON: {error}") from None


def from_json_line(line: str) -> Event:
    """The inverse of `to_json_line`; keys may come in any order.

    Raises EventFormatError, which names the line and what is wrong with it.
    """
    try:
        entries = json.loads(line, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        if not isinstance(entries, dict):
            raise ValueError("expected an object")
        name = entries.pop("event", None)
        if not isinstance(name, str) or name not in _EVENT_CODECS:
            raise ValueError(f'"event" is {_shown(repr(name))}; expected one of {", ".join(_EVENT_CODECS)}')
        return cast("Event", _EVENT_CODECS[name].decode(entries))
    except RecursionError:
        raise EventFormatError(f"not an event: nested too deeply; line: {_shown(repr(line))}") from None
    except (ValueError, OverflowError) as error:
        raise EventFormatError(f"not an event: {error}; line: {_shown(repr(line))}") from None


def read_events(path: Path | str) -> Iterator[Event]:
    """The events of a file that `JsonlSpill` wrote, in order, read as they are asked for.

    Raises EventFormatError with the line's number for the first line that is no event, and OSError where the
    file cannot be read.
    """
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        for number, line in enumerate(file, start=1):
            try:
                event = from_json_line(line)
            except EventFormatError as error:
                raise EventFormatError(f"{path}, line {number}: {error}") from None
            yield event


class JsonlSpill:
    """A handler that writes each event to a file, which it replaces; leaving its `with` block closes it.

    Raises OSError where the file cannot be written, and ValueError for an event after it was closed.
    """

    def __init__(self, path: Path | str) -> None:
        self._file = open(path, "w", encoding="ascii", newline="\n")  # noqa: SIM115 - closed by close()

    def __call__(self, event: Event) -> None:
        self._file.write(to_json_line(event) + "\n")

    def close(self) -> None:
        """Write out what is buffered and close the file; harmless when closed already."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _shown(text: str) -> str:
    more = len(text) - MOST_SHOWN_CHARACTERS
    return text[:MOST_SHOWN_CHARACTERS] + (f" and {more} more characters" if more > 0 else "")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a key occurs twice")
    return entries


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")


def _codec_of(hint: Any) -> _Codec:
    if hint is float:
        return _Codec(lambda value: round(float(value), SECONDS_DIGITS), _decode_seconds)
    if hint in (int, str, bool):
        return _plain_codec(hint)
    if get_origin(hint) is tuple:
        return _tuple_codec(_codec_of(get_args(hint)[0]))
    if NoneType in get_args(hint):
        (present,) = (each for each in get_args(hint) if each is not NoneType)
        return _optional_codec(_codec_of(present))
    if issubclass(hint, Enum):
        return _Codec(lambda value: value.value, lambda value: _decode_enum(hint, value))
    return _record_codec(hint)


def _decode_seconds(value: object) -> float:
    if type(value) not in (int, float) or not isfinite(cast("float", value)):
        raise ValueError(f"{_shown(repr(value))} is not a finite number of seconds")
    return float(cast("float", value))


def _decode_enum(kind: type[Enum], value: object) -> Enum:
    for member in kind:
        if member.value == value:
            return member
    known = ", ".join(str(member.value) for member in kind)
    raise ValueError(f"{_shown(repr(value))} is not one of {known}")


def _plain_codec(kind: type) -> _Codec:
    def decode(value: object) -> object:
        if type(value) is not kind:
            raise ValueError(f"{_shown(repr(value))} is not of type {kind.__name__}")
        return value

    return _Codec(lambda value: value, decode)


def _optional_codec(present: _Codec) -> _Codec:
    return _Codec(
        lambda value: None if value is None else present.encode(value),
        lambda value: None if value is None else present.decode(value),
    )


def _tuple_codec(item: _Codec) -> _Codec:
    def decode(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{_shown(repr(value))} is not a list")
        return tuple(item.decode(each) for each in value)

    return _Codec(lambda value: [item.encode(each) for each in value], decode)


def _record_codec(record: type[Any]) -> _Codec:
    """The codec of a record: an object with exactly its fields."""
    codecs = {name: _codec_of(hint) for name, hint in get_type_hints(record).items()}
    encoders = [(name, codec.encode) for name, codec in codecs.items()]

    def encode(value: object) -> dict[str, object]:
        return {name: encoder(getattr(value, name)) for name, encoder in encoders}

    def decode(value: object) -> object:
        if not isinstance(value, dict) or value.keys() != codecs.keys():
            raise ValueError(
                f"{record.__name__} needs exactly the fields {', '.join(codecs)}; got {_shown(repr(value))}"
            )
        return record(*(_decode_field(name, codec, value[name]) for name, codec in codecs.items()))

    return _Codec(encode, decode)


def _decode_field(name: str, codec: _Codec, value: object) -> object:
    try:
        return codec.decode(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from None


_EVENT_CODECS = {event_type.__name__: _record_codec(event_type) for event_type in EVENT_TYPES}
