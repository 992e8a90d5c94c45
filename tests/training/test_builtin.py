"""The models that the package ships: small, alike, readable, and as good as they are said to be."""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import tokenizers

from tests.training.told import documents
from weft import LLM, AsyncLLM, SamplingParams
from weft.contracts.formats import NumberFormat
from weft.contracts.options import ServingOptions
from weft.measurement.evaluation import EngineAnswerer, Evaluation, EvaluationSettings, evaluate
from weft.model_specs.builtin import NAMES, builtin_model
from weft.text.loading import load_tokenizer
from weft.training.reading import ReadingModel
from weft.training.tasks.catalogue import TASKS
from weft.training.tokenizer import encode_documents

TARGET, DRAFT = builtin_model("weft-tiny"), builtin_model("weft-nano")
MOST_BYTES = 8 * 1024 * 1024
MOST_BITS_PER_BYTE = {TARGET: {"fresh": 0.3, "held out": 1.4}, DRAFT: {"fresh": 0.4, "held out": 1.4}}
LEAST_AGREEMENT = 0.6
LEAST_RIGHT = {"lookup": 0.5, "copy": 0.5, "add": 0.4}
"""docs/builtin.md has the figures, on more exercises."""
GREEDY = SamplingParams(max_tokens=300, temperature=0.0)


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM(TARGET, num_threads=1, kv_cache_memory_bytes=1 << 25) as llm:
        yield llm


def test_the_files_are_there_and_small() -> None:
    files = [path for model in (TARGET, DRAFT) for path in sorted(model.iterdir())]
    assert [path.name for path in files] == 2 * [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert builtin_model() == TARGET == builtin_model("builtin")
    assert len(NAMES) == 3


def test_the_draft_has_the_tokens_of_its_target() -> None:
    vocabularies = [
        tokenizers.Tokenizer.from_file(str(model / "tokenizer.json")).get_vocab() for model in (TARGET, DRAFT)
    ]
    assert vocabularies[0] == vocabularies[1]
    assert load_tokenizer(TARGET).vocab_size <= 1024


def test_it_answers_a_chat_and_ends(llm: LLM) -> None:
    (output,) = llm.chat([{"role": "user", "content": "Hello!"}], GREEDY)
    answer = output.outputs[0]
    assert answer.finish_reason == "stop"
    assert answer.text[0].isupper()
    assert answer.text[-1] in ".!?"


def test_it_tells_a_story_about_what_was_asked(llm: LLM) -> None:
    wish = "Please tell me a story about a girl named Greta."
    (output,) = llm.chat([{"role": "user", "content": wish}], GREEDY)
    story = output.outputs[0]
    assert story.finish_reason == "stop"
    assert "Greta" in story.text
    assert len(story.text) > 200


def test_it_goes_on_with_a_text_and_ends(llm: LLM) -> None:
    (output,) = llm.generate("Once upon a time, there was a", GREEDY)
    assert output.outputs[0].finish_reason == "stop"
    (again,) = llm.generate("Once upon a time, there was a", GREEDY)
    assert again.outputs[0].text == output.outputs[0].text


@pytest.mark.parametrize("text", ["fresh", "held out"])
@pytest.mark.parametrize("model", [TARGET, DRAFT], ids=lambda path: path.name)
def test_it_predicts_unseen_text_as_well_as_is_said(model: Path, text: str) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    drawn = islice(documents(1, "evaluation", held_out=text == "held out"), 20)
    read = list(encode_documents(tokenizer, drawn, 1024))
    with ReadingModel(model, ServingOptions(), NumberFormat.FLOAT32) as reading:
        nats = math.fsum(surprise for document in read for surprise in reading.nats(document))
    found = nats / math.log(2) / sum(document.learnt_bytes for document in read)
    assert found < MOST_BITS_PER_BYTE[model][text]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    options = ServingOptions(num_threads=1, kv_cache_memory_bytes=1 << 26)
    settings = EvaluationSettings(
        [TASKS[name] for name in LEAST_RIGHT], examples=20, lookup_tokens=(256,), draft=DRAFT
    )

    def answerer() -> EngineAnswerer:
        return EngineAnswerer(AsyncLLM(TARGET, bounded=False, num_threads=1, kv_cache_memory_bytes=1 << 26))

    return evaluate(TARGET, settings, options, answerer, progress=False)


def test_it_does_held_out_exercises(evaluation: Evaluation) -> None:
    smallest: dict[str, float] = {}
    for figures in evaluation.tasks:
        assert figures.accuracy is not None
        smallest.setdefault(figures.task, figures.accuracy.value)
    assert all(smallest[task] >= least for task, least in LEAST_RIGHT.items()), smallest


def test_the_draft_mostly_says_what_it_says(evaluation: Evaluation) -> None:
    for figures in evaluation.agreement:
        assert figures.agreement is not None
        assert figures.agreement.value > LEAST_AGREEMENT
