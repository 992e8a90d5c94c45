"""A little task, and answerers without a model: one who is always right, one who guesses."""

from collections.abc import Callable, Sequence
from random import Random

from weft.measurement.evaluation import Answer, Question
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.text.teller import Teller

COLOURS = ("red", "blue", "green", "grey")


def draw_colours(teller: Teller, size: int) -> Exercise:
    """`size` words, four for each of the facts: "The hat is red."."""
    names = [teller.made_up() for _ in range(max(1, size // 4))]
    facts = {name: teller.stream.choice(COLOURS) for name in names}
    given = " ".join(f"The {name} is {colour}." for name, colour in facts.items())
    return Exercise(given, tuple(Turn(f"Colour of {name}?", colour) for name, colour in facts.items()))


def draw_memories(teller: Teller, size: int) -> Exercise:
    """`size` colours are said, then asked for in the same order."""
    colours = [teller.stream.choice(COLOURS) for _ in range(size)]
    said = [Turn(f"Thing {place} is {colour}.", "Yes.") for place, colour in enumerate(colours)]
    asked = [Turn(f"Colour of Thing {place}?", colour) for place, colour in enumerate(colours)]
    return Exercise("", (*said, *asked), in_order=True)


TASK = Task("colours", draw_colours, (8, 40), 1 / 4)
LOOKUP = Task("lookup", draw_colours, (8, 40), 1 / 4)
MEMORIES = Task("memories", draw_memories, (2, 3), 1 / 4)


class FakeAnswerer:
    """Answers by `say`; a word is a token. Counts whether it is open."""

    form = "fake"

    def __init__(self, say: Callable[[Question], str], max_model_len: int = 10_000) -> None:
        self._say, self.max_model_len = say, max_model_len
        self.num_closed = 0

    def __enter__(self) -> "FakeAnswerer":
        return self

    def __exit__(self, *error: object) -> None:
        self.num_closed += 1

    def prompt_tokens(self, question: Question) -> int:
        return len(f"{question.given} {question.asked}".split())

    def text_tokens(self, text: str) -> int:
        return len(text.split())

    def answer(
        self, asked: Sequence[tuple[Question, int]], advance: Callable[[], object]
    ) -> Sequence[Answer]:
        answers = []
        for question, most_tokens in asked:
            advance()
            answers.append(Answer(" ".join(self._say(question).split()[:most_tokens])))
        return answers


def read_off(question: Question) -> str:
    """The right answer, from what is given or was said before."""
    said = " ".join([question.given, *(turn.question for turn in question.earlier)])
    name = question.asked.removeprefix("Colour of ").removesuffix("?")
    return said.split(f"{name} is ")[1].split(".")[0]


def guesser(seed: int) -> Callable[[Question], str]:
    stream = Random(seed)
    return lambda question: stream.choice(COLOURS)
