"""Frames as bytes: a header of one size, then the message as JSON, in the form that its type declares.

What comes in is data and nothing else, whoever sent it: it becomes a frame of a known message, or a `BadFrame`.
"""

import struct
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import PydanticSerializationError

from weft.cluster.messages import (
    Alive,
    Cancel,
    Ended,
    Frame,
    Heartbeat,
    Hello,
    News,
    Probe,
    ProbeAnswer,
    Refused,
    Report,
    StopOutput,
    Stopped,
    Submit,
    Told,
)
from weft.contracts.errors import InvalidRequest, WeftError
from weft.contracts.events import Status
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Emitted, Pooling, Request, SamplingParams, Slo
from weft.contracts.steps import TokenLogprobs

MOST_FRAME_BYTES = 64 << 20

_HEADER = struct.Struct("!QQQB")  # incarnation, number, acknowledged, and the kind: an index into `_FORMS`
_EXACT = ConfigDict(
    strict=True, ser_json_inf_nan="constants", ser_json_bytes="base64", val_json_bytes="base64"
)

_TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class BadFrame(WeftError):
    """Bytes that are no frame."""


@with_config(_EXACT)
@dataclass(frozen=True, slots=True)
class SentRequest:
    """A `Request`, of which every field has a form."""

    request_id: str
    prompt: TokenPrompt
    sampling: SamplingParams
    tenant: str
    priority: int
    slo: Slo | None
    session: str | None
    adapter: str | None
    cache_salt: str | None
    pooling: Pooling | None


class _SentSubmit(NamedTuple):
    request: SentRequest
    attempt: int
    emitted: tuple[Emitted, ...] | None


class _SentTold(NamedTuple):
    """`Told`; the embedding as the bytes of float32 numbers, the lowest byte first."""

    request_id: str
    attempt: int
    sample_index: int
    first: int
    tokens: tuple[_TokenId, ...]
    status: Status | None
    reason: str
    logprobs: tuple[TokenLogprobs, ...]
    prompt_logprobs: tuple[TokenLogprobs, ...] | None
    embedding: bytes | None


_SentNews = tuple[_SentTold | None, Ended | None, Refused | None]
"""The one that is not None."""

_FIELDS = [field.name for field in fields(SentRequest)]


def _send_submit(submit: Submit) -> _SentSubmit:
    request = submit.request
    if not isinstance(request.prompt, TokenPrompt):
        kind = type(request.prompt).__name__
        raise InvalidRequest(
            f"request {request.request_id!r} has a {kind}; a replica elsewhere takes prompts of tokens only"
        )
    parts = {name: getattr(request, name) for name in _FIELDS}
    return _SentSubmit(SentRequest(**parts), submit.attempt, submit.emitted)


def _receive_submit(sent: _SentSubmit) -> Submit:
    request = Request(**{name: getattr(sent.request, name) for name in _FIELDS})
    return Submit(request, sent.attempt, sent.emitted)


def _send_report(report: Report) -> list[_SentNews]:
    return [_send_news(each) for each in report.news]


def _send_news(news: News) -> _SentNews:
    match news:
        case Told():
            embedding = None if news.embedding is None else _swapped(news.embedding).tobytes()
            return _SentTold(*news[:-1], embedding), None, None
        case Ended():
            return None, news, None
        case Refused():
            return None, None, news


def _receive_report(sent: list[_SentNews]) -> Report:
    return Report(tuple(_receive_news(*each) for each in sent))


def _receive_news(told: _SentTold | None, ended: Ended | None, refused: Refused | None) -> News:
    if told is None or ended is not None or refused is not None:
        found = [each for each in (ended, refused) if each is not None]
        if told is not None or len(found) != 1:
            raise BadFrame("news are of several kinds, or of none")
        return found[0]
    if told.embedding is None:
        return Told(*told[:-1], None)
    return Told(*told[:-1], _swapped(array("f", told.embedding)))


def _swapped(numbers: "array[float]") -> "array[float]":
    """Between this machine's order of bytes and the one on the wire."""
    assert numbers.typecode == "f"
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers


class _Form:
    """How the messages of one type travel: as a `form`, which `sent` makes of a message, and `received` a message of
    it."""

    def __init__(
        self,
        kind: type,
        form: Any = None,
        sent: Callable[[Any], Any] | None = None,
        received: Callable[[Any], Any] | None = None,
    ) -> None:
        self.kind, self._sent, self._received = kind, sent, received
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind if form is None else form, config=_EXACT)

    def write(self, message: Any) -> bytes:
        return self._adapter.dump_json(message if self._sent is None else self._sent(message))

    def read(self, data: bytes) -> Any:
        found = self._adapter.validate_json(data, strict=True)
        return found if self._received is None else self._received(found)


_FORMS = (
    _Form(Report, list[_SentNews], _send_report, _receive_report),
    _Form(Submit, _SentSubmit, _send_submit, _receive_submit),
    *map(_Form, (Cancel, StopOutput, Probe, Alive, Hello, ProbeAnswer, Heartbeat, Stopped)),
)
_NUMBERS = {form.kind: number for number, form in enumerate(_FORMS)}


def encode(frame: Frame) -> bytes:
    """Bytes of a frame. Raises `InvalidRequest` for a request that cannot be sent: its prompt is not of tokens, a text
    in it is no Unicode, or it is too large."""
    message = frame.message
    number = _NUMBERS[type(message)]
    try:
        data = _FORMS[number].write(message)
    except PydanticSerializationError as error:
        raise InvalidRequest(f"a message cannot be sent: {error}") from error
    if len(data) > MOST_FRAME_BYTES - _HEADER.size:
        raise InvalidRequest(
            f"a message of {len(data)} bytes is longer than the {MOST_FRAME_BYTES} that can be sent to or by a replica"
        )
    return _HEADER.pack(frame.incarnation, frame.number, frame.acknowledged, number) + data


def decode(data: bytes) -> Frame:
    """The frame of these bytes. Raises `BadFrame` where they are none."""
    if not _HEADER.size <= len(data) <= MOST_FRAME_BYTES:
        raise BadFrame(f"{len(data)} bytes are no frame")
    incarnation, number, acknowledged, kind = _HEADER.unpack_from(data)
    if kind >= len(_FORMS):
        raise BadFrame(f"messages of kind {kind} are not known")
    try:
        message = _FORMS[kind].read(data[_HEADER.size :])
    except ValidationError as error:
        raise BadFrame(f"no {_FORMS[kind].kind.__name__}: {_first_of(error)}") from None
    except (ValueError, OverflowError, WeftError) as error:
        raise BadFrame(f"no {_FORMS[kind].kind.__name__}: {error}") from None
    return Frame(incarnation, number, acknowledged, message)


def _first_of(error: ValidationError) -> str:
    """The first problem, without what was sent: that is a client's."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"at {'.'.join(map(str, first['loc'])) or 'its beginning'}: {first['msg']}"
