"""Frames as bytes and back."""

import json
import math
import struct
from array import array
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.cluster.messages import (
    Alive,
    Cancel,
    Ended,
    Frame,
    Heartbeat,
    Hello,
    Probe,
    ProbeAnswer,
    Refused,
    Report,
    StopOutput,
    Stopped,
    Submit,
    Told,
)
from weft.cluster.wire import MOST_FRAME_BYTES, BadFrame, SentRequest, decode, encode
from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.contracts.events import Status
from weft.contracts.prompts import LengthPrompt, MediaItem, Sharing, TokenPrompt
from weft.contracts.requests import Emitted, Pooling, Request, SamplingParams, Slo
from weft.contracts.routing import LoadReport
from weft.contracts.steps import Candidate, TokenLogprobs

TEXTS = st.text(max_size=20)
TOKENS = st.integers(0, 2**31 - 1)
COUNTS = st.integers(0, 2**63)
FLOATS = st.floats(allow_nan=False)
FINITE = st.floats(0.0, 1e9)
STATUSES = st.sampled_from(Status)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def tuples(strategy: st.SearchStrategy[Any], most: int = 4, least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


@st.composite
def prompts(draw: st.DrawFn) -> TokenPrompt:
    tokens = draw(tuples(TOKENS, 9, 1))
    item = st.builds(MediaItem, st.binary(max_size=8), st.just(0), st.integers(1, len(tokens)))
    return TokenPrompt(tokens, draw(tuples(item, 1)), draw(st.sampled_from(Sharing)))


SAMPLING = st.builds(
    SamplingParams,
    n=st.integers(1, 128),
    max_tokens=st.integers(10, 2**40),
    min_tokens=st.integers(0, 10),
    stop_token_ids=tuples(TOKENS),
    stop=tuples(st.text(min_size=1, max_size=9)),
    ignore_eos=st.booleans(),
    temperature=FINITE,
    top_k=st.integers(0, 2**31),
    top_p=st.floats(0.0, 1.0, exclude_min=True),
    min_p=st.floats(0.0, 1.0),
    repetition_penalty=st.floats(0.0, 9.0, exclude_min=True),
    presence_penalty=st.floats(-2.0, 2.0),
    frequency_penalty=st.floats(-2.0, 2.0),
    logit_bias=st.dictionaries(TOKENS, st.floats(-100.0, 100.0), max_size=3),
    seed=maybe(st.integers(-(2**63), 2**63 - 1)),
    logprobs=maybe(st.integers(0, 20)),
    prompt_logprobs=maybe(st.integers(0, 20)),
    constraint=maybe(st.builds(Constraint, st.sampled_from(["json_schema", "regex", "lark"]), TEXTS)),
    skip_special_tokens=st.booleans(),
)
BEAMS = st.builds(SamplingParams, beam_width=st.integers(2, 128))
REQUESTS = st.builds(
    Request,
    TEXTS,
    prompts(),
    SAMPLING | BEAMS,
    tenant=TEXTS,
    priority=st.integers(),
    slo=maybe(st.builds(Slo, maybe(FLOATS), maybe(FLOATS))),
    session=maybe(TEXTS),
    adapter=maybe(TEXTS),
    cache_salt=maybe(TEXTS),
    pooling=maybe(st.sampled_from(Pooling)),
)
LOGPROBS = st.builds(TokenLogprobs, TOKENS, FLOATS, tuples(st.builds(Candidate, TOKENS, FLOATS)))
EMBEDDINGS = st.lists(st.floats(width=32, allow_nan=False), max_size=5).map(lambda each: array("f", each))
NEWS = st.one_of(
    st.builds(
        Told,
        TEXTS,
        COUNTS,
        COUNTS,
        COUNTS,
        tuples(TOKENS),
        maybe(STATUSES),
        TEXTS,
        tuples(LOGPROBS),
        maybe(tuples(LOGPROBS)),
        maybe(EMBEDDINGS),
    ),
    st.builds(Ended, TEXTS, COUNTS, STATUSES, TEXTS, COUNTS),
    st.builds(Refused, TEXTS, COUNTS, TEXTS, maybe(FLOATS), st.booleans()),
)
EMITTED = st.builds(Emitted, tuples(TOKENS), st.booleans())
MESSAGES = st.one_of(
    st.builds(Submit, REQUESTS, COUNTS, maybe(tuples(EMITTED))),
    st.builds(Report, tuples(NEWS)),
    st.builds(Cancel, TEXTS, COUNTS),
    st.builds(StopOutput, TEXTS, COUNTS, COUNTS, COUNTS),
    st.just(Probe()),
    st.just(Alive()),
    st.builds(Hello, TEXTS),
    st.builds(ProbeAnswer, COUNTS, maybe(FLOATS)),
    st.builds(Heartbeat, st.builds(LoadReport, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)),
    st.builds(Stopped, TEXTS),
)
FRAMES = st.builds(Frame, COUNTS, COUNTS, COUNTS, MESSAGES)
KINDS = range(11)


@given(FRAMES)
def test_a_frame_arrives_as_it_was_sent(frame: Frame) -> None:
    arrived = decode(encode(frame))
    assert arrived == frame
    assert type(arrived.message) is type(frame.message)
    assert repr(arrived) == repr(frame)  # also 0.0 and -0.0, types of tuples, members of enumerations


def test_a_request_has_no_field_that_is_not_sent() -> None:
    assert [field.name for field in fields(SentRequest)] == [field.name for field in fields(Request)]


def test_log_probabilities_arrive_bit_by_bit() -> None:
    logprobs = (TokenLogprobs(1, -math.inf, (Candidate(2, -0.1 - 0.2), Candidate(3, -5e-324))),)
    told = Told("r", 1, 0, 0, (1,), None, "", logprobs)
    (arrived,) = decode(encode(Frame(1, 1, 0, Report((told,))))).message.news  # type: ignore[attr-defined]
    assert arrived == told


def test_other_prompts_are_refused_in_a_sentence() -> None:
    request = Request("r", LengthPrompt(5))
    with pytest.raises(InvalidRequest, match=r"'r' has a LengthPrompt; .* prompts of tokens only"):
        encode(Frame(1, 1, 0, Submit(request, 1, None)))


def test_what_is_too_large_or_no_text_is_not_sent() -> None:
    with pytest.raises(InvalidRequest, match="longer than the 67108864"):
        encode(Frame(1, 1, 0, Stopped("x" * MOST_FRAME_BYTES)))
    with pytest.raises(InvalidRequest, match="cannot be sent"):
        encode(Frame(1, 1, 0, Stopped("\ud800")))


def header(kind: int) -> bytes:
    return struct.pack("!QQQB", 1, 1, 0, kind)


@given(
    st.binary(max_size=80)
    | st.builds(lambda kind, rest: header(kind) + rest, st.sampled_from(KINDS), st.binary())
)
def test_random_bytes_are_no_frame_or_one(data: bytes) -> None:
    try:
        frame = decode(data)
    except BadFrame:
        return
    assert encode(decode(encode(frame))) == encode(frame)  # not ==: there may be a NaN in it


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=20,
)


@given(st.sampled_from(KINDS), JSON)
def test_json_of_other_forms_is_no_frame_or_one(kind: int, value: Any) -> None:
    try:
        frame = decode(header(kind) + json.dumps(value).encode())
    except BadFrame:
        return
    assert encode(decode(encode(frame))) == encode(frame)  # not ==: there may be a NaN in it


@given(FRAMES, st.data())
def test_a_frame_with_other_bytes_in_it_is_no_frame_or_one(frame: Frame, data: st.DataObject) -> None:
    sent = bytearray(encode(frame))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(sent) - 1))
        sent[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        arrived = decode(bytes(sent))
    except BadFrame:
        return
    assert encode(decode(encode(arrived))) == encode(arrived)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (0, "[[null,null,null]]"),
        (0, '[[["r",1,0,0,[1],null,"",[],null,null],["r",1,"failed","",0],null]]'),
        (0, '[[["r",1,0,0,[-1],null,"",[],null,null],null,null]]'),
        (0, '[[["r",1,0,0,[2147483648],null,"",[],null,null],null,null]]'),
        (0, '[[["r",1,0,0,[true],null,"",[],null,null],null,null]]'),
        (0, '[[["r",1,0,0,[1],null,"",[],null,"AAA="],null,null]]'),
        (0, '[[["r",1,0,0,[1],"lost","",[],null,null],null,null]]'),
        (0, "[" * 100_000),
        (2, '["r",' + "9" * 10_000 + "]"),
        (2, '["r",1,2]'),
        (5, "[1]"),
        (6, '["\\ud800"]'),
        (10, "[]"),
    ],
)
def test_what_is_wrong_is_no_frame(kind: int, text: str) -> None:
    with pytest.raises(BadFrame) as problem:
        decode(header(kind) + text.encode())
    assert len(str(problem.value)) < 300


def test_a_frame_that_is_too_long_is_not_read() -> None:
    with pytest.raises(BadFrame, match="bytes are no frame"):
        decode(header(9) + b'["' + b"x" * MOST_FRAME_BYTES + b'"]')


def test_what_a_client_wrote_is_not_told() -> None:
    with pytest.raises(BadFrame) as problem:
        decode(header(9) + b'["a secret", 5]')
    assert "secret" not in str(problem.value)
