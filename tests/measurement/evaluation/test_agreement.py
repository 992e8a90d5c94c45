"""A draft beside its target: with itself it agrees always; what differs in tokenizers is said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.executor.tiny_serving import save_tiny
from tests.llm.tiny_model import make_model
from tests.measurement.evaluation.fakes import TASK
from tests.text import tiny
from weft import AsyncLLM
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import serving_options
from weft.measurement.evaluation import (
    AgreementFigures,
    Answer,
    EngineAnswerer,
    EvaluationSettings,
    evaluate,
)
from weft.measurement.evaluation.agreement import (
    DRAFT_TOKENS,
    accepted_per_draft,
    measure_agreement,
    require_same_tokenizer,
)
from weft.training.tasks.exercise import Task
from weft.training.text.documents import TokenDocument

OPTIONS: dict[str, Any] = {"num_threads": 1, "kv_cache_memory_bytes": 1 << 22}
ROOM = {"max_position_embeddings": 2048}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "target", **ROOM)


def compare(target: Path, draft: Path, *tasks: Task) -> tuple[AgreementFigures, ...]:
    settings = EvaluationSettings(tasks, examples=12, draft=draft)
    found = evaluate(
        target,
        settings,
        serving_options(OPTIONS),
        lambda: EngineAnswerer(AsyncLLM(target, bounded=False, **OPTIONS)),
        progress=False,
    )
    return found.agreement


@given(st.lists(st.booleans()))
def test_drafts_cover_the_answer(agreed: list[bool]) -> None:
    accepted = accepted_per_draft(agreed)
    assert all(0 <= each <= DRAFT_TOKENS for each in accepted)
    # The last verification may end with the answer, before the token of the target.
    assert sum(accepted) + len(accepted) - len(agreed) in (0, 1)
    assert accepted == _played(agreed)


def _played(agreed: Sequence[bool]) -> list[int]:
    """Token by token, as an engine would."""
    gains: list[int] = []
    waiting = iter(agreed)
    for first in waiting:
        gains.append(0)
        same: bool | None = first
        while same:
            gains[-1] += 1
            # A whole draft was accepted, or the answer is over: whatever comes next is the target's.
            same = next(waiting, None) if gains[-1] < DRAFT_TOKENS else next(waiting, False) and False
    return gains


def test_a_run_that_is_worked_out_by_hand() -> None:
    agreed = [True, True, False, True, True, True, True, False, False, True]
    assert accepted_per_draft(agreed) == [2, 4, 0, 1]


def test_with_itself_a_model_agrees_always(model: Path) -> None:
    exercises, chats = compare(model, model, TASK)
    assert (exercises.prompts, chats.prompts) == ("exercises", "chats")
    assert (exercises.num_answers, chats.num_answers) == (24, 12)
    for figures in (exercises, chats):
        assert figures.num_skipped == 0
        assert figures.agreement is not None
        assert figures.agreement.value == 1.0
        assert figures.agreement.n >= figures.num_answers
        assert figures.accepted is not None
        assert 1.0 <= figures.accepted.value <= DRAFT_TOKENS


def test_a_draft_that_was_never_trained_agrees_seldom(model: Path, tmp_path: Path) -> None:
    other = make_model(tmp_path / "draft", **ROOM)
    (other / "model.safetensors").unlink()
    save_tiny(tmp_path / "weights", 8, vocab_size=400, **ROOM)
    (tmp_path / "weights" / "model.safetensors").rename(other / "model.safetensors")
    (chats,) = compare(model, other)
    assert chats.agreement is not None
    assert chats.accepted is not None
    assert chats.agreement.value < 0.3
    assert chats.accepted.value < 0.5


class Parrot:
    """Says each token again, and holds 10 tokens."""

    max_model_len, vocab_size = 10, 50

    def likeliest(self, document: TokenDocument) -> list[int]:
        pairs = zip(document.token_ids, document.learnt[1:], strict=False)
        return [token for token, is_asked in pairs if is_asked]


def test_what_does_not_fit_the_draft_is_counted() -> None:
    answers = [Answer("", (1, 2), (2, 2, 3)), Answer("", (4,) * 8, (1, 2, 3))]
    found = measure_agreement("x", answers, Parrot(), num_skipped=2, progress=False)  # type: ignore[arg-type]
    assert (found.num_answers, found.num_skipped) == (1, 3)
    assert found.agreement is not None
    assert found.agreement.value == pytest.approx(2 / 3)
    assert found.agreement.n == 3
    with pytest.raises(ConfigurationError, match="the target said token 50, the draft has 0 to 49"):
        measure_agreement("x", [Answer("", (1,), (50,))], Parrot(), num_skipped=0, progress=False)  # type: ignore[arg-type]


def test_a_context_without_room_skips_the_chats(model: Path, tmp_path: Path) -> None:
    small = make_model(tmp_path / "small")  # 128 positions, as many as an answer may have
    (chats,) = compare(small, model)
    assert (chats.num_answers, chats.num_skipped, chats.agreement) == (0, 12, None)


def test_the_draft_needs_the_same_tokenizer(model: Path, tmp_path: Path) -> None:
    smaller, other = tmp_path / "smaller", tmp_path / "other"
    for directory in (smaller, other):
        directory.mkdir()
        tiny.write_json(directory / "tokenizer_config.json", tiny.CONFIG)
    (smaller / "tokenizer.json").write_text(tiny.byte_fallback().to_str(), encoding="utf-8")
    with pytest.raises(
        ConfigurationError, match=r"differ: 400 and \d+ tokens; name a draft that has the target's"
    ):
        require_same_tokenizer(model, smaller)
    text = (model / "tokenizer.json").read_text(encoding="utf-8")
    (other / "tokenizer.json").write_text(text.replace('"<unk>"', '"<odd>"'), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="differ: token 0 is b'<unk>' and b'<odd>'"):
        require_same_tokenizer(model, other)
    (other / "tokenizer.json").write_text(text, encoding="utf-8")
    tiny.write_json(other / "tokenizer_config.json", {**tiny.CONFIG, "eos_token": "<unk>"})
    with pytest.raises(ConfigurationError, match="differ: eos_token is '</s>' and '<unk>'"):
        require_same_tokenizer(model, other)
    require_same_tokenizer(model, model)
