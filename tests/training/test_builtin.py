"""The model that the package ships: small, readable, talks, and as good as it is said to be."""

import math
from collections.abc import Iterator
from itertools import islice

import pytest
import tokenizers

from tests.training.told import documents
from weft import LLM, SamplingParams
from weft.contracts.formats import NumberFormat
from weft.contracts.options import ServingOptions
from weft.llm.builtin import DIRECTORY as BUILTIN
from weft.text.loading import load_tokenizer
from weft.training.reading import ReadingModel
from weft.training.tokenizer import encode_documents

MOST_BYTES = 4 * 1024 * 1024
MOST_BITS_PER_BYTE = {"fresh": 0.20, "held out": 1.60}
"""docs/builtin.md has the figures on more documents."""
GREEDY = SamplingParams(max_tokens=300, temperature=0.0)


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM(BUILTIN, num_threads=1, kv_cache_memory_bytes=1 << 25) as llm:
        yield llm


def test_the_files_are_there_and_small() -> None:
    names = sorted(path.name for path in BUILTIN.iterdir())
    assert names == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert sum(path.stat().st_size for path in BUILTIN.iterdir()) <= MOST_BYTES
    assert load_tokenizer(BUILTIN).vocab_size <= 1024


def test_it_answers_a_chat_and_ends(llm: LLM) -> None:
    (output,) = llm.chat([{"role": "user", "content": "Hello!"}], GREEDY)
    answer = output.outputs[0]
    assert answer.finish_reason == "stop"
    assert answer.text[0].isupper()
    assert answer.text[-1] in ".!?"


def test_it_tells_a_story_about_what_was_asked(llm: LLM) -> None:
    wish = "Please tell me a story about a rabbit who loses a kite."
    (output,) = llm.chat([{"role": "user", "content": wish}], GREEDY)
    story = output.outputs[0]
    assert story.finish_reason == "stop"
    assert "rabbit" in story.text
    assert len(story.text) > 200


def test_it_goes_on_with_a_text_and_ends(llm: LLM) -> None:
    (output,) = llm.generate("Once upon a time, there was a", GREEDY)
    assert output.outputs[0].finish_reason == "stop"
    (again,) = llm.generate("Once upon a time, there was a", GREEDY)
    assert again.outputs[0].text == output.outputs[0].text


def test_its_defaults_are_used(llm: LLM) -> None:
    (output,) = llm.chat([{"role": "user", "content": "Count from one to five."}])
    assert output.outputs[0].finish_reason == "stop"


@pytest.mark.parametrize("text", MOST_BITS_PER_BYTE)
def test_it_predicts_unseen_text_as_well_as_is_said(text: str) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(BUILTIN / "tokenizer.json"))
    drawn = islice(documents(1, "evaluation", held_out=text == "held out"), 20)
    read = list(encode_documents(tokenizer, drawn, 1024))
    with ReadingModel(BUILTIN, ServingOptions(), NumberFormat.FLOAT32) as model:
        nats = math.fsum(surprise for document in read for surprise in model.nats(document))
    found = nats / math.log(2) / sum(document.learnt_bytes for document in read)
    assert found < MOST_BITS_PER_BYTE[text]


def test_it_remembers_a_name_that_was_given(llm: LLM) -> None:
    messages = [
        {"role": "user", "content": "My name is Walter."},
        {"role": "assistant", "content": "Hello, Walter! Nice to meet you."},
        {"role": "user", "content": "What is my name?"},
    ]
    (output,) = llm.chat(messages, GREEDY)
    assert output.outputs[0].text == "Your name is Walter."
