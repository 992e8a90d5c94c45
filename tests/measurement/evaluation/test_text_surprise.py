"""Bits per byte: each token once with enough before it, beside transformers, and where the value is known."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.llm.tiny_model import make_model
from tests.text.tiny import LINES
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.measurement.evaluation import EvaluationSettings, TextFigures, evaluate
from weft.measurement.evaluation.text_surprise import windows
from weft.text.loading import load_tokenizer

OPTIONS = ServingOptions(num_threads=1)
TEXT = "\r\n".join(LINES[:10])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    return tmp_path / "text.txt"


def measure(model: Path, file: Path, options: ServingOptions = OPTIONS) -> TextFigures:
    def no_questions() -> Any:
        raise AssertionError("nothing is asked")

    found = evaluate(model, EvaluationSettings(text=file), options, no_questions, progress=False)
    assert (found.form, found.tasks) == (None, ())
    assert found.text is not None
    return found.text


@given(st.integers(2, 300), st.integers(2, 40))
def test_each_token_is_asked_about_once_with_enough_before_it(num_tokens: int, window_tokens: int) -> None:
    asked: list[int] = []
    for window in windows(range(num_tokens), window_tokens):
        assert len(window.token_ids) <= window_tokens
        assert window.token_ids == list(range(window.token_ids[0], window.token_ids[-1] + 1))
        for place, (token, is_asked) in enumerate(zip(window.token_ids, window.learnt, strict=True)):
            if is_asked:
                asked.append(token)
                assert place >= min(token, window_tokens // 2)
    assert asked == list(range(1, num_tokens))


def test_beside_transformers(model: Path, file: Path) -> None:
    from transformers import AutoModelForCausalLM

    figures = measure(model, file)
    ids = load_tokenizer(model).encode(TEXT)
    oracle: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    starts = range(0, len(ids), 64)
    with torch.no_grad():
        seen = {start: oracle(torch.tensor([ids[start : start + 128]])).logits[0] for start in starts}
    bits = 0.0
    for place in range(1, len(ids)):
        # The first of the starts from which 128 tokens reach this one.
        start = 64 * max(0, math.ceil((place + 1 - 128) / 64))
        logprobs = torch.log_softmax(seen[start][place - 1 - start], -1)
        bits -= logprobs[ids[place]].item() / math.log(2)
    assert len(ids) > 3 * 64
    assert (figures.num_bytes, figures.num_tokens) == (len(TEXT.encode()), len(ids) - 1)
    assert figures.window_tokens == 128
    assert figures.bits_per_byte.value == pytest.approx(bits / len(TEXT.encode()), rel=1e-5)
    assert figures.perplexity.value == pytest.approx(2 ** (bits / (len(ids) - 1)), rel=1e-4)
    low, high = figures.perplexity.low, figures.perplexity.high
    assert low is not None
    assert high is not None
    assert low < figures.perplexity.value < high


def make_uniform(directory: Path) -> Path:
    """All tokens of 400 are equally likely, always."""
    make_model(directory)
    tensors = load_file(directory / "model.safetensors")
    tensors["lm_head.weight"] = torch.zeros_like(tensors["lm_head.weight"])
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def test_a_model_that_knows_nothing_needs_the_logarithm_of_its_vocabulary(tmp_path: Path, file: Path) -> None:
    figures = measure(make_uniform(tmp_path / "uniform"), file)
    expected = math.log2(400) * figures.num_tokens / figures.num_bytes
    assert figures.bits_per_byte.value == pytest.approx(expected)
    assert figures.bits_per_byte.low == pytest.approx(expected)
    assert figures.perplexity.value == pytest.approx(400)
    assert (figures.bits_per_byte.n, figures.perplexity.n) == (figures.num_bytes, figures.num_tokens)


def test_without_a_token_of_the_beginning_the_first_one_is_left_out(tmp_path: Path) -> None:
    model = make_uniform(tmp_path / "model")
    config = (model / "tokenizer_config.json").read_text(encoding="utf-8")
    (model / "tokenizer_config.json").write_text('{"add_bos_token": false,' + config[1:], encoding="utf-8")
    file = tmp_path / "text.txt"
    file.write_text("é the fox", encoding="utf-8")
    ids = load_tokenizer(model).encode("é the fox")
    figures = measure(model, file)
    assert figures.num_tokens == len(ids) - 1
    first = len(load_tokenizer(model).piece(ids[0]))
    assert figures.num_bytes == len("é the fox".encode()) - first


def test_a_short_text_has_no_interval(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("fox", encoding="utf-8")
    figures = measure(model, file)
    assert (figures.bits_per_byte.low, figures.perplexity.high) == (None, None)


def test_the_context_can_be_shortened(model: Path, file: Path) -> None:
    whole, shorter = (
        measure(model, file),
        measure(model, file, ServingOptions(num_threads=1, max_model_len=7)),
    )
    assert shorter.window_tokens == 7
    assert shorter.num_tokens == whole.num_tokens
    assert shorter.bits_per_byte.value != whole.bits_per_byte.value


def test_a_text_is_read_in_float32_unless_another_format_is_asked_for(model: Path, file: Path) -> None:
    plain = measure(model, file).bits_per_byte.value
    for options in (replace(OPTIONS, dtype="float32"), replace(OPTIONS, backend="reference")):
        assert measure(model, file, options).bits_per_byte.value == plain
    rounded = measure(model, file, replace(OPTIONS, dtype="bfloat16")).bits_per_byte.value
    assert rounded != pytest.approx(plain, rel=1e-6)
    assert rounded == pytest.approx(plain, rel=0.05)
    with pytest.raises(ConfigurationError, match="the reference backend computes in 'float32'"):
        measure(model, file, replace(OPTIONS, backend="reference", dtype="bfloat16"))


def test_bad_files_are_named(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    for content, problem in ((b"", "is empty; name a file"), (b"\xff\xfe", "is not a text in UTF-8.*iconv")):
        file.write_bytes(content)
        with pytest.raises(ConfigurationError, match=f"text.txt {problem}"):
            measure(model, file)
    with pytest.raises(ConfigurationError, match=r"missing.txt is not a text in UTF-8.*No such file"):
        measure(model, tmp_path / "missing.txt")
    file.write_text("fox fox", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"text.txt can be predicted.*sees 1 at once"):
        measure(model, file, ServingOptions(num_threads=1, max_model_len=1))
