"""From the engine's news to chunks: text, tokens and reasons agree, however the news are cut."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text import tiny
from weft.contracts.events import Status
from weft.contracts.steps import TokenLogprobs
from weft.engine.replica import Output
from weft.llm.output_reader import OutputReader
from weft.llm.results import CompletionChunk
from weft.text.loading import load_tokenizer
from weft.text.output_text import OutputText
from weft.text.tokenizer import Tokenizer

END = 2


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "tokenizer.json").write_text(tiny.byte_level().to_str(), encoding="utf-8")
    return load_tokenizer(folder)


def reader(
    tokenizer: Tokenizer | None, stops: tuple[str, ...] = (), ends: tuple[int, ...] = ()
) -> OutputReader:
    text = None if tokenizer is None else OutputText(tokenizer, stops)
    return OutputReader(4, text, (END, *ends), (END,))


def news(tokens: Sequence[int], reason: str = "") -> Output:
    status = Status.FINISHED if reason else None
    logprobs = tuple(TokenLogprobs(token, -1.0) for token in tokens)
    return Output("a", 4, tuple(tokens), status, reason, logprobs)


def test_a_length_limit_flushes_what_was_held_back(tokenizer: Tokenizer) -> None:
    part, *rest = tokenizer.encode("\U0001f375", add_special=False)
    assert rest, "the tokenizer knows the character, so nothing is held back"
    tokens = [*tokenizer.encode("tea", add_special=False), part]
    reading = reader(tokenizer)
    assert reading.read(news(tokens)).text == "tea"
    assert reading.read(news([], "length")).text == "\ufffd"
    chunk = reader(tokenizer).read(news(tokens, "length"))
    assert chunk.text == "tea\ufffd"
    assert (chunk.finish_reason, chunk.stop_reason, chunk.token_ids) == ("length", None, tuple(tokens))


def test_the_models_end_is_a_token_without_text(tokenizer: Tokenizer) -> None:
    tokens = [*tokenizer.encode("tea", add_special=False), END]
    chunk = reader(tokenizer).read(news(tokens, "stop"))
    assert (chunk.text, chunk.token_ids, chunk.finish_reason) == ("tea", tuple(tokens), "stop")
    assert chunk.stop_reason is None


def test_a_stop_token_of_the_request_is_named_and_has_no_text(tokenizer: Tokenizer) -> None:
    *words, last = tokenizer.encode("the old sea", add_special=False)
    chunk = reader(tokenizer, ends=(last,)).read(news([*words, last], "stop"))
    assert chunk.text == tokenizer.decode(words)
    assert chunk.stop_reason == last


def test_without_a_tokenizer_there_are_tokens_only() -> None:
    chunk = reader(None).read(news([5, 6, END], "stop"))
    assert (chunk.text, chunk.token_ids, chunk.finish_reason) == ("", (5, 6, END), "stop")


@given(st.data())
def test_tokens_text_and_logprobs_stop_with_the_stop_string(
    tokenizer: Tokenizer, data: st.DataObject
) -> None:
    tokens = tokenizer.encode("seven wizards brew tea in the old house by the sea", add_special=False)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(tokens) - 1), max_size=4)))
    bounds = list(zip([0, *cuts], [*cuts, len(tokens)], strict=True))
    reading = reader(tokenizer, ("tea in", "zzz"))
    chunks: list[CompletionChunk] = []
    for start, end in bounds:
        reason = "length" if end == len(tokens) else ""
        chunks.append(reading.read(news(tokens[start:end], reason)))
    kept = [token for chunk in chunks for token in chunk.token_ids]
    assert "".join(chunk.text for chunk in chunks) == "seven wizards brew "
    assert len(kept) == reading.stopped_after == sum(len(chunk.logprobs) for chunk in chunks)
    assert tokenizer.decode(kept).endswith("tea in")
    assert (chunks[-1].finish_reason, chunks[-1].stop_reason) == ("stop", "tea in")
