"""What the recipes draw from."""

from collections.abc import Callable
from dataclasses import dataclass

from weft.training.tasks.catalogue import TASKS
from weft.training.tasks.documents import exercise_document
from weft.training.text.chats import hold_chat
from weft.training.text.documents import Document, chat_document, story_document
from weft.training.text.stories import tell_story
from weft.training.text.teller import Teller


def chat(teller: Teller) -> Document:
    """One to eight exchanges."""
    return chat_document(hold_chat(teller))


def story(teller: Teller) -> Document:
    """Of one chapter."""
    return story_document(tell_story(teller).text)


def saga(teller: Teller) -> Document:
    """A story of two to five chapters."""
    return story_document(tell_story(teller, teller.stream.randint(2, 5)).text)


@dataclass(frozen=True, slots=True)
class OfSizes:
    """Documents of sizes drawn evenly from `least` to `most`."""

    draw: Callable[[Teller, int], Document]
    least: int
    most: int

    def __call__(self, teller: Teller) -> Document:
        return self.draw(teller, teller.stream.randint(self.least, self.most))


@dataclass(frozen=True, slots=True)
class Exercises:
    """Exercises of a task; sizes are drawn evenly from `least` to `most`, by default those of the task."""

    task: str
    least: int | None = None
    most: int | None = None

    def __call__(self, teller: Teller) -> Document:
        task = TASKS[self.task]
        least, most = self.least or task.sizes[0], self.most or task.sizes[1]
        return exercise_document(task.draw(teller, teller.stream.randint(least, most)))
