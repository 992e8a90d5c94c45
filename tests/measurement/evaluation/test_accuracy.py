"""Right answers are counted, whoever answers; what is asked follows from the seed."""

from pathlib import Path

import pytest

from tests.measurement.evaluation.fakes import (
    COLOURS,
    LOOKUP,
    MEMORIES,
    TASK,
    FakeAnswerer,
    guesser,
    read_off,
)
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.measurement.evaluation import Evaluation, EvaluationSettings, Question, TaskFigures, evaluate
from weft.measurement.evaluation.questions import as_messages, as_plain_text, draw_exam
from weft.training.tasks.catalogue import TASKS
from weft.training.tasks.exercise import Task, Turn

NOWHERE = Path("no/such/model")


def examine(answerer: FakeAnswerer, *tasks: Task, examples: int = 50, seed: int = 0) -> Evaluation:
    settings = EvaluationSettings(tasks, examples, seed, lookup_tokens=(64, 200))
    return evaluate(NOWHERE, settings, ServingOptions(), lambda: answerer, progress=False)


def value(figures: TaskFigures) -> float:
    assert figures.accuracy is not None
    return figures.accuracy.value


def test_whoever_reads_off_the_answer_is_always_right() -> None:
    answerer = FakeAnswerer(read_off)
    found = examine(answerer, TASK, LOOKUP, MEMORIES)
    assert [value(figures) for figures in found.tasks] == [1.0] * 6
    assert [(figures.task, figures.size) for figures in found.tasks if figures.wanted_tokens is None] == [
        ("colours", 24),
        ("colours", 40),
        ("memories", 2),
        ("memories", 3),
    ]
    assert found.form == "fake"
    assert (found.text, found.agreement) == (None, ())
    assert answerer.num_closed == 1


def test_a_guesser_is_right_by_chance() -> None:
    for figures in examine(FakeAnswerer(guesser(1)), TASK, MEMORIES, examples=1000).tasks:
        assert figures.accuracy is not None
        assert figures.accuracy.low is not None
        assert figures.accuracy.high is not None
        assert figures.accuracy.n >= 1000
        assert figures.accuracy.low < figures.chance < figures.accuracy.high


def test_white_space_around_an_answer_is_forgiven_and_nothing_else() -> None:
    assert value(examine(FakeAnswerer(lambda question: f" {read_off(question)}\n"), TASK).tasks[0]) == 1.0
    for wrong in (str.upper, lambda right: f"{right}.", lambda right: f"It is {right}"):
        assert value(examine(FakeAnswerer(lambda q, wrong=wrong: wrong(read_off(q))), TASK).tasks[0]) == 0.0  # type: ignore[misc]


def test_lookup_is_measured_at_lengths_in_tokens() -> None:
    short, long = examine(FakeAnswerer(read_off), LOOKUP).tasks
    assert (short.wanted_tokens, long.wanted_tokens) == (64, 200)
    assert short.prompt_tokens == pytest.approx(64, rel=0.04)
    assert long.prompt_tokens == pytest.approx(200, rel=0.04)


def test_questions_that_do_not_fit_are_counted() -> None:
    mid, largest = examine(FakeAnswerer(read_off, max_model_len=40), TASK).tasks
    assert (mid.num_skipped, value(mid)) == (0, 1.0)
    assert (largest.num_skipped, largest.accuracy, largest.prompt_tokens) == (50, None, None)


def test_the_seed_draws_the_questions() -> None:
    one, again, other = (draw_exam(TASK, 24, 5, seed) for seed in (1, 1, 2))
    assert one == again != other
    found, repeated = (examine(FakeAnswerer(guesser(3)), TASK).tasks for _ in range(2))
    assert found == repeated


def test_questions_that_depend_on_others_come_after_them() -> None:
    exam = draw_exam(MEMORIES, 3, 4, 0)
    assert [len(question.earlier) for question, _ in exam] == [3, 4, 5] * 4
    assert all(right in COLOURS for _, right in exam)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_every_task_can_be_asked(task: Task) -> None:
    for size in task.sizes:
        exam = draw_exam(task, size, 3, 0)
        assert len(exam) >= 3
        for question, right in exam:
            assert right.strip()
            assert question.asked in str(as_messages(question)[-1]["content"])


def test_how_a_question_is_put() -> None:
    question = Question("A b.", (Turn("C?", "D."),), "E?")
    assert as_messages(question) == [
        {"role": "user", "content": "A b.\nC?"},
        {"role": "assistant", "content": "D."},
        {"role": "user", "content": "E?"},
    ]
    assert as_messages(Question("A b.", (), "E?")) == [{"role": "user", "content": "A b.\nE?"}]
    assert as_plain_text(question) == "A b.\nQuestion: C?\nAnswer: D.\nQuestion: E?\nAnswer:"
    assert as_plain_text(Question("", (), "E?")) == "Question: E?\nAnswer:"


def test_settings_that_measure_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="nothing to measure; name tasks, a text, or a draft"):
        EvaluationSettings()
    with pytest.raises(ConfigurationError, match="examples is 0; it must be at least 1"):
        EvaluationSettings((TASK,), examples=0)
    with pytest.raises(ConfigurationError, match="lookup_tokens is -1; it must be at least 1"):
        EvaluationSettings((TASK,), lookup_tokens=(256, -1))
