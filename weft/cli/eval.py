"""`weft eval`: what a model can do."""

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.asking import load
from weft.cli.bench_output import COUNT, UNKNOWN, print_table
from weft.cli.mistakes import nearest
from weft.cli.model_options import model_options
from weft.contracts.options import serving_options
from weft.llm.model_path import resolve_model
from weft.measurement.evaluation import (
    AgreementFigures,
    EngineAnswerer,
    Evaluation,
    EvaluationSettings,
    Figure,
    ServedReader,
    TaskFigures,
    TextFigures,
    evaluate,
)
from weft.measurement.evaluation.agreement import DRAFT_TOKENS
from weft.model_specs.families import read_spec

if TYPE_CHECKING:
    from weft.training.tasks.exercise import Task

ALL, NONE = "all", "none"
KERNELS = "cpu"
"""The backend whose formats are measured as they are served."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TASK_HEADS = ("task", "size", "wanted", "prompt tokens", "n", "skipped", "right %", "95 %", "chance %")
AGREEMENT_HEADS = ("prompts", "answers", "skipped", "positions", "agreement %", "95 %", "accepted", "95 %")


def _tasks(context: click.Context, parameter: click.Parameter, text: str) -> tuple["Task", ...]:
    from weft.training.tasks.catalogue import TASKS

    if text in (ALL, NONE):
        return tuple(TASKS.values()) if text == ALL else ()
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in TASKS:
            near = nearest(name, list(TASKS))
            question = f"did you mean {near!r}? " if near else ""
            known = ", ".join((*TASKS, ALL, NONE))
            raise click.BadParameter(f"{name!r} is no task; {question}known are {known}", context, parameter)
    return tuple(TASKS[name] for name in dict.fromkeys(names))


def _lengths(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise click.BadParameter(f"{text!r} are no lengths; give whole numbers: 256,512", context, parameter)
    return tuple(int(part) for part in parts)


def _writable(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """What could not be written is said before the work begins, not after it."""
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no directory {path.parent}; make it", context, parameter)
    if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.BadParameter(f"{path} may not be written; name another file", context, parameter)
    return path


@click.command()
@click.argument("model", required=False)
@click.option("--draft", metavar="DIR", help="Compare the answers with those of this smaller model.")
@click.option(
    "--tasks", default=ALL, show_default=True, callback=_tasks, help="By name, with commas between; or none."
)
@click.option("--text", type=FILE, help="Measure bits per byte of this file, in UTF-8.")
@click.option("--examples", type=COUNT, default=100, show_default=True, help="Exercises of a task and size.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the exercises.")
@click.option(
    "--lookup-tokens",
    default="256,512",
    show_default=True,
    callback=_lengths,
    help="Lengths of prompts of the task lookup.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_writable,
    help="Write all figures to this file.",
)
@model_options()
def command(
    model: str | None, draft: str | None, json_path: Path | None, given: dict[str, Any], **settings: Any
) -> None:
    """Measure what MODEL can do: right answers, bits per byte, agreement with a draft.

    MODEL is a Hugging Face directory, a .gguf file, ORG/NAME of huggingface.co, or one that comes with Weft:
    weft-tiny, which is the default, or weft-nano, its draft.

    Exercises have names, values and sentences that are held out of the training of the built-in models. Answers
    are the likeliest tokens, and right where they are the right one to the letter. A text is read as it is served on
    backend cpu; else by torch, in float32 where --dtype says nothing.
    """
    directory = resolve_model(model)
    chosen = EvaluationSettings(draft=None if draft is None else resolve_model(draft), **settings)
    from weft.executor.backend_choice import with_backend  # here, because torch comes with these
    from weft.executor.packed_loading import settled

    options = with_backend(settled(directory, serving_options(given)), read_spec(directory))
    reader = partial(_reader, directory, given) if options.backend == KERNELS else None
    evaluation = evaluate(directory, chosen, options, partial(_answerer, directory, given), reader)
    _print_evaluation(evaluation)
    if json_path is not None:
        report = json.dumps(evaluation.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
        json_path.write_text(report + "\n", encoding="utf-8")


def _answerer(directory: Path, given: dict[str, Any]) -> EngineAnswerer:
    return EngineAnswerer(load(directory, given))


def _reader(directory: Path, given: dict[str, Any]) -> ServedReader:
    """Of windows as long as torch's, where the model has room for a token more."""
    most_tokens = read_spec(directory).max_length_tokens
    longest = min(most_tokens, given.get("max_model_len", most_tokens) + 1)
    return ServedReader(load(directory, {**given, "max_model_len": longest}))


def _print_evaluation(evaluation: Evaluation) -> None:
    commit = evaluation.machine["commit"]
    click.echo(
        f"{evaluation.model}, seed {evaluation.settings['seed']}; weft {evaluation.machine['version']}"
        f"{f' ({commit})' if commit else ''}"
    )
    if evaluation.form is not None:
        click.echo(f"questions are put as {evaluation.form}")
    if evaluation.tasks:
        print_table(TASK_HEADS, [_task_row(figures) for figures in evaluation.tasks])
    if evaluation.text is not None:
        _print_text(evaluation.text)
    if evaluation.agreement:
        click.echo(
            f"agreement with {evaluation.settings['draft']}; accepted of drafts of {DRAFT_TOKENS} tokens"
        )
        print_table(AGREEMENT_HEADS, [_agreement_row(figures) for figures in evaluation.agreement])


def _task_row(figures: TaskFigures) -> list[str]:
    mean = figures.prompt_tokens
    return [
        figures.task,
        str(figures.size),
        "" if figures.wanted_tokens is None else f"{figures.wanted_tokens:,}",
        UNKNOWN if mean is None else f"{mean:,.0f}",
        _count(figures.accuracy),
        str(figures.num_skipped),
        *_shown(figures.accuracy, 1, 100.0),
        f"{100 * figures.chance:.1f}",
    ]


def _agreement_row(figures: AgreementFigures) -> list[str]:
    return [
        figures.prompts,
        str(figures.num_answers),
        str(figures.num_skipped),
        _count(figures.agreement),
        *_shown(figures.agreement, 1, 100.0),
        *_shown(figures.accepted, 2),
    ]


def _print_text(figures: TextFigures) -> None:
    bits, bits_range = _shown(figures.bits_per_byte, 4)
    perplexity, perplexity_range = _shown(figures.perplexity, 3)
    click.echo(
        f"{figures.file}: {bits} bits per byte ({bits_range}), perplexity {perplexity} per token ({perplexity_range}); "
        f"{figures.num_bytes:,} bytes, {figures.num_tokens:,} tokens, windows of {figures.window_tokens:,}"
    )


def _count(figure: Figure | None) -> str:
    return f"{0 if figure is None else figure.n:,}"


def _shown(figure: Figure | None, digits: int, factor: float = 1.0) -> tuple[str, str]:
    """The value and its interval."""
    if figure is None:
        return UNKNOWN, UNKNOWN
    scaled = figure.scaled(factor)
    if scaled.low is None or scaled.high is None:
        return f"{scaled.value:.{digits}f}", UNKNOWN
    return f"{scaled.value:.{digits}f}", f"{scaled.low:.{digits}f}–{scaled.high:.{digits}f}"
