"""Make the built-in model from a seed, or show what a model says.

    python tools/train_first_model.py --minutes 10 --out weft/models/builtin [--curve curve.csv]
    python tools/train_first_model.py --samples weft/models/builtin

The output directory must not exist or be empty. A killed run leaves nothing behind and loses nothing but its time.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

# A thread that waits by spinning keeps the core from the thread it waits for where others use the machine too.
# The library reads this as it loads, so before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from weft.contracts.errors import WeftError
from weft.contracts.requests import SamplingParams
from weft.llm.llm import LLM
from weft.model_specs.generation_config import default_sampling, read_generation_defaults

if TYPE_CHECKING:
    from weft.training.trainer import Record

COMPLETIONS = (
    "Once upon a time, there was a",
    "There once was a shy",
    "One rainy day, a small frog named Zorbi",
    "Greta was a nervous donkey who",
    "In the middle of the night,",
    "Nina had lost her compass.",
    "The dragon wanted to",
    "It was the birthday of Simon the heron.",
)
CHATS = (
    ("Hello!",),
    ("Who are you?",),
    ("Tell me a story about a donkey who loses a trumpet.", "Who is the story about?"),
    ("Please tell me a story about a girl named Greta.", "Who helped Greta?"),
    ("My name is Walter.", "What is my name?"),
    ("Count from 3 to 9.",),
    ("Say the word kumbalo.",),
    ("What is the opposite of heavy?",),
    ("What is the capital of Portugal?",),
    ("Bruno has a purple compass. Wanda has a blue trumpet. Who has a blue trumpet?",),
    ("What colour is a lemon?",),
    ("What is three plus four?",),
)
"""In each, the user's messages; the model answers every one."""
MOST_TOKENS = 400
"""Of an answer: two of them and their questions fit into the context."""


def main() -> int:
    """Train, or show samples."""
    arguments = _arguments()
    try:
        if arguments.samples:
            print("\n".join(samples(arguments.samples)))
        else:
            train(arguments)
    except WeftError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the built-in model from a seed.")
    parser.add_argument("--minutes", type=float, default=10.0, help="about how long to train (10)")
    parser.add_argument("--steps", type=int, help="how many steps, instead; a run is repeated by its steps")
    parser.add_argument("--seed", type=int, default=1, help="of text, first weights and tokenizer (1)")
    parser.add_argument("--threads", type=int, default=2, help="of the processor (2)")
    parser.add_argument("--out", type=Path, help="where the model goes: a new or empty directory")
    parser.add_argument("--curve", type=Path, help="write the curve as CSV to this file")
    parser.add_argument("--samples", type=Path, metavar="DIR", help="show twenty samples of a model instead")
    arguments = parser.parse_args()
    if (arguments.out is None) == (arguments.samples is None):
        parser.error("give either --out, to train, or --samples")
    return arguments


def train(arguments: argparse.Namespace) -> None:
    """Train, save, and print what the saved model needs per byte."""
    # Here, so that --help needs no torch.
    from weft.training.first_model import FirstModel, evaluate_directory, train_first_model

    recipe = FirstModel(seed=arguments.seed, num_threads=arguments.threads)
    with _curve(arguments.curve) as curve:

        def report(record: "Record") -> None:
            curve(record)
            print(
                f"step {record.step}: {record.num_tokens} tokens, {record.elapsed_s:.0f} s, loss {record.loss:.3f}, "
                f"held-out bits per byte {record.evaluation:.4f}",
                flush=True,
            )

        train_first_model(
            recipe, arguments.out, minutes=arguments.minutes, num_steps=arguments.steps, report=report
        )
    for held_out, name in ((False, "fresh text"), (True, "held-out words and sentences")):
        print(f"{name}: {evaluate_directory(arguments.out, recipe, held_out=held_out):.4f} bits per byte")


class _Curve:
    """Writes records as lines of CSV, each as soon as it is there."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else path.open("w", encoding="utf-8", newline="")
        self._writer = None if self._file is None else csv.writer(self._file)

    def __call__(self, record: "Record") -> None:
        if self._writer is None or self._file is None:
            return
        if not self._file.tell():
            self._writer.writerow(field.name for field in fields(record))
        self._writer.writerow(asdict(record).values())
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@contextmanager
def _curve(path: Path | None) -> Iterator[_Curve]:
    curve = _Curve(path)
    try:
        yield curve
    finally:
        curve.close()


def samples(directory: Path) -> Iterator[str]:
    """Twenty samples with the model's own sampling defaults and the seeds 1 to 20: none is chosen or left out.

    Each is one line of Markdown; "⏎" stands where the model began a new line.
    """
    defaults = replace(default_sampling(read_generation_defaults(directory)), max_tokens=MOST_TOKENS)
    with LLM(directory, num_threads=2) as llm:
        for seed, prompt in enumerate(COMPLETIONS, start=1):
            (output,) = llm.generate(prompt, replace(defaults, seed=seed), progress=False)
            yield f"{seed}. **{prompt}**{_on_one_line(output.outputs[0].text)}"
        for seed, questions in enumerate(CHATS, start=1 + len(COMPLETIONS)):
            dialogue = _dialogue(llm, questions, replace(defaults, seed=seed))
            yield f"{seed}. " + " ".join(
                f"**{role.capitalize()}:** {_on_one_line(text)}" for role, text in dialogue
            )


def _dialogue(llm: LLM, questions: Sequence[str], sampling: SamplingParams) -> list[tuple[str, str]]:
    """The user's messages and the model's answers, by role."""
    messages: list[dict[str, str]] = []
    for question in questions:
        messages.append({"role": "user", "content": question})
        (output,) = llm.chat(messages, sampling, progress=False)
        messages.append({"role": "assistant", "content": output.outputs[0].text})
    return [(message["role"], message["content"]) for message in messages]


def _on_one_line(text: str) -> str:
    return text.replace("\n", " ⏎ ")


if __name__ == "__main__":
    sys.exit(main())
