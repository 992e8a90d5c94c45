"""The engine as an answerer: it asks as a user would, and takes the likeliest tokens."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.llm.tiny_model import make_model
from weft import LLM, AsyncLLM, SamplingParams
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.measurement.evaluation import EngineAnswerer, Question
from weft.measurement.evaluation.questions import as_messages, as_plain_text
from weft.training.tasks.exercise import Turn

OPTIONS: dict[str, Any] = {"num_threads": 1, "kv_cache_memory_bytes": 1 << 22}
QUESTIONS = [Question("the fox", (Turn("a dog?", "tea"),), "the sea?"), Question("", (), "the house?")]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def without_template(model: Path) -> Path:
    config = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    del config["chat_template"]
    (model / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return model


@pytest.mark.parametrize("is_chat", [True, False])
def test_answers_are_those_of_the_python_api(model: Path, is_chat: bool) -> None:
    if not is_chat:
        without_template(model)
    with LLM(model, **OPTIONS) as llm:
        if is_chat:
            sampling = SamplingParams(max_tokens=9, temperature=0.0)
            expected = llm.chat([as_messages(question) for question in QUESTIONS], sampling)
        else:
            sampling = SamplingParams(max_tokens=9, temperature=0.0, stop=("\n",))
            expected = llm.generate([as_plain_text(question) for question in QUESTIONS], sampling)
    advanced: list[int] = []
    with EngineAnswerer(AsyncLLM(model, bounded=False, **OPTIONS)) as answerer:
        answers = answerer.answer([(question, 9) for question in QUESTIONS], lambda: advanced.append(1))
        again = answerer.answer([(QUESTIONS[1], 9)], lambda: None)
        assert ("chat template" in answerer.form) is is_chat
        assert answerer.max_model_len == 128
        assert [answerer.prompt_tokens(question) for question in QUESTIONS] == [
            len(answer.prompt_ids) for answer in answers
        ]
    assert [(answer.text, answer.prompt_ids, answer.output_ids) for answer in answers] == [
        (output.outputs[0].text, output.prompt_token_ids, output.outputs[0].token_ids) for output in expected
    ]
    assert again[0].output_ids == answers[1].output_ids
    assert len(advanced) == 2


def test_a_question_that_is_refused_ends_the_rest(model: Path) -> None:
    with EngineAnswerer(AsyncLLM(model, bounded=False, **OPTIONS)) as answerer:
        with pytest.raises(InvalidRequest, match="max_tokens is 1000"):
            answerer.answer([(QUESTIONS[0], 9), (QUESTIONS[1], 1000)], lambda: None)
        assert answerer.answer([(QUESTIONS[1], 3)], lambda: None)[0].output_ids


def test_a_model_without_a_tokenizer_says_so(model: Path) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (model / file).unlink()
    with (
        EngineAnswerer(AsyncLLM(model, bounded=False, **OPTIONS)) as answerer,
        pytest.raises(ConfigurationError, match="has no tokenizer"),
    ):
        answerer.prompt_tokens(QUESTIONS[0])
