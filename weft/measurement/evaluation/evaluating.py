"""All that is measured of one model, in one run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.options import AUTO, ServingOptions
from weft.measurement.evaluation.accuracy import Sitting, TaskFigures, plan_sittings
from weft.measurement.evaluation.agreement import (
    OPENING_TOKENS,
    AgreementFigures,
    measure_agreement,
    require_same_tokenizer,
)
from weft.measurement.evaluation.answering import Answer, Answerer
from weft.measurement.evaluation.progress import bar
from weft.measurement.evaluation.questions import Question, draw_openings
from weft.measurement.evaluation.text_surprise import Reader, TextFigures, measure_text, read_text
from weft.measurement.machine import describe_machine
from weft.model_specs.families import read_spec
from weft.text.loading import load_tokenizer
from weft.training.tasks.exercise import Task

OpenAnswerer = Callable[[], AbstractContextManager[Answerer]]
OpenReader = Callable[[], AbstractContextManager[Reader]]


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What is measured. `examples`: exercises of each task at each size, and openings of chats for a draft.
    `lookup_tokens`: lengths of prompts at which the task `lookup` is measured. `text`: a file whose bits per byte are
    wanted. `draft`: the directory of a model that is to speak for this one.

    Raises `ConfigurationError` where there is nothing to measure, or too little.
    """

    tasks: Sequence[Task] = ()
    examples: int = 100
    seed: int = 0
    lookup_tokens: Sequence[int] = (256, 512)
    text: Path | None = None
    draft: Path | None = None

    def __post_init__(self) -> None:
        if not self.tasks and self.text is None and self.draft is None:
            raise ConfigurationError("there is nothing to measure; name tasks, a text, or a draft")
        for name, values in (("examples", [self.examples]), ("lookup_tokens", self.lookup_tokens)):
            if min(values, default=1) < 1:
                raise ConfigurationError(f"{name} is {min(values)}; it must be at least 1")

    def as_json(self) -> dict[str, Any]:
        """With tasks by name and paths as text."""
        return {
            "tasks": [task.name for task in self.tasks],
            "examples": self.examples,
            "seed": self.seed,
            "lookup_tokens": list(self.lookup_tokens),
            "text": None if self.text is None else str(self.text),
            "draft": None if self.draft is None else str(self.draft),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found of the model in the directory `model`. `date`: of the end, UTC, ISO 8601. `settings`: all that
    was asked for, and the serving options. `form`: how questions were put; None where none were. Figures that were not
    asked for are empty or None."""

    model: str
    date: str
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    form: str | None
    tasks: tuple[TaskFigures, ...]
    text: TextFigures | None
    agreement: tuple[AgreementFigures, ...]

    def as_json(self) -> dict[str, Any]:
        """Of plain values."""
        return asdict(self)


def evaluate(
    directory: Path,
    settings: EvaluationSettings,
    options: ServingOptions,
    open_answerer: OpenAnswerer,
    open_reader: OpenReader | None = None,
    *,
    progress: bool = True,
) -> Evaluation:
    """Measure the model of a directory: its answers, its surprise at a text, its agreement with a draft.

    `open_answerer`: loads what answers for the model, if any question is asked; it is closed before the rest is
    loaded. The engine that serves the directory, as it does under `options`, is
    `lambda: EngineAnswerer(AsyncLLM(directory, bounded=False))`. `open_reader`: loads what reads a text, for example
    `ServedReader`; None: the model computed by torch, in float32 where `options` name no number format.

    A draft is read in its own number format, where `options` name none. The same settings ask
    the same questions; the backend `reference` answers them the same to the bit, `torch` up to rounding, which can
    decide between tokens that are almost equally likely, the more so in bfloat16: so a model agrees with itself in
    nearly all positions, in float32 in all that were seen. Raises `ConfigurationError` for what keeps models or text
    from being read.
    """
    text = None if settings.text is None else read_text(settings.text)
    if settings.draft is not None:
        require_same_tokenizer(directory, settings.draft)
    answered = _ask(settings, open_answerer, progress=progress)
    judged = [sitting.judge(answers) for sitting, answers in answered.sittings]
    reader = open_reader or partial(_torch_reader, directory, options)
    return Evaluation(
        str(directory),
        datetime.now(UTC).isoformat(timespec="seconds"),
        describe_machine(),
        {**settings.as_json(), "serving": asdict(options)},
        answered.form,
        tuple(judged),
        None if text is None else _text_figures(directory, settings.text, text, reader, progress=progress),
        tuple(_agreement_figures(answered, settings, options, progress=progress)),
    )


class _Answered(NamedTuple):
    """`skipped_openings`: that do not fit into the model's context."""

    form: str | None
    sittings: Sequence[tuple[Sitting, Sequence[Answer]]]
    openings: Sequence[Answer]
    skipped_openings: int


def _ask(settings: EvaluationSettings, open_answerer: OpenAnswerer, *, progress: bool) -> _Answered:
    """All questions, at once."""
    if not settings.tasks and settings.draft is None:
        return _Answered(None, [], [], 0)
    with open_answerer() as answerer:
        sittings = plan_sittings(
            answerer, settings.tasks, settings.lookup_tokens, settings.examples, settings.seed
        )
        openings = _openings(answerer, settings)
        asked = [*(each for sitting in sittings for each in sitting.asked), *openings]
        with bar(len(asked), "answer", progress=progress) as advance:
            answers = iter(answerer.answer(asked, advance))
        by_sitting = [(sitting, list(islice(answers, len(sitting.exam)))) for sitting in sittings]
        wanted = 0 if settings.draft is None else settings.examples
        return _Answered(answerer.form, by_sitting, list(answers), wanted - len(openings))


def _openings(answerer: Answerer, settings: EvaluationSettings) -> list[tuple[Question, int]]:
    """What else the draft is compared on."""
    if settings.draft is None:
        return []
    longest = answerer.max_model_len - OPENING_TOKENS
    questions = draw_openings(settings.examples, settings.seed)
    return [
        (question, OPENING_TOKENS) for question in questions if answerer.prompt_tokens(question) <= longest
    ]


def _text_figures(
    directory: Path, file: Path | None, text: str, open_reader: OpenReader, *, progress: bool
) -> TextFigures:
    assert file is not None
    with open_reader() as reader:
        return measure_text(file, text, load_tokenizer(directory), reader, progress=progress)


def _torch_reader(directory: Path, options: ServingOptions) -> AbstractContextManager[Reader]:
    from weft.executor.backend_choice import choose_format
    from weft.training.reading import ReadingModel

    is_free = options.dtype == AUTO
    number = NumberFormat.FLOAT32 if is_free else choose_format(read_spec(directory), options)
    return ReadingModel(directory, options, number)


def _agreement_figures(
    answered: _Answered, settings: EvaluationSettings, options: ServingOptions, *, progress: bool
) -> list[AgreementFigures]:
    """Of exercises, where there were any, and of chats."""
    if settings.draft is None:
        return []
    from weft.executor.backend_choice import choose_format
    from weft.training.reading import ReadingModel

    # Torch reads it, whatever backend serves the model and whatever formats that has.
    number = choose_format(read_spec(settings.draft), replace(options, backend=AUTO))
    exercises = [answer for _, answers in answered.sittings for answer in answers]
    kinds = {"exercises": (exercises, 0), "chats": (answered.openings, answered.skipped_openings)}
    with ReadingModel(settings.draft, replace(options, max_model_len=None), number) as draft:
        return [
            measure_agreement(name, answers, draft, num_skipped=num_skipped, progress=progress)
            for name, (answers, num_skipped) in kinds.items()
            if settings.tasks or name == "chats"
        ]
