"""What a model can do: right answers, bits per byte, agreement with a draft. Start at `evaluating.py`."""

from weft.measurement.evaluation.accuracy import TaskFigures
from weft.measurement.evaluation.agreement import AgreementFigures
from weft.measurement.evaluation.answering import Answer, Answerer, EngineAnswerer
from weft.measurement.evaluation.evaluating import Evaluation, EvaluationSettings, evaluate
from weft.measurement.evaluation.intervals import Figure
from weft.measurement.evaluation.questions import Question
from weft.measurement.evaluation.served_reading import ServedReader
from weft.measurement.evaluation.text_surprise import TextFigures

__all__ = [
    "AgreementFigures",
    "Answer",
    "Answerer",
    "EngineAnswerer",
    "Evaluation",
    "EvaluationSettings",
    "Figure",
    "Question",
    "ServedReader",
    "TaskFigures",
    "TextFigures",
    "evaluate",
]
