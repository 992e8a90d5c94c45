"""Following a chat: somebody says things about themselves, talks of something else, and asks for them again."""

from collections.abc import Callable
from typing import NamedTuple

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.invented import is_time_to_invent, lone_word
from weft.training.tasks.phrasing import loosely
from weft.training.text.exchanges import adding, counting, fact
from weft.training.text.teller import Teller


class Remark(NamedTuple):
    """`key`: what the value is to who says it; statements, questions and answers all name it. `statements`,
    `questions`: with "~" before those that are held out. `value`: draws what is said."""

    key: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    value: Callable[[Teller], str]

    def answer(self, value: str) -> str:
        """To any of the questions."""
        return f"Your {self.key} is {value}."


REMARKS = (
    Remark(
        "name",
        ("My name is {0}.", "Hello, my name is {0}.", "~You may use my name, {0}."),
        ("What is my name?", "Do you know my name?", "~Can you say my name?"),
        words.name,
    ),
    Remark(
        "favourite colour",
        (
            "My favourite colour is {0}.",
            "I have a favourite colour, {0}.",
            "~No colour is like my favourite colour, {0}.",
        ),
        (
            "What is my favourite colour?",
            "Which is my favourite colour?",
            "~Can you say my favourite colour?",
        ),
        words.shade,
    ),
    Remark(
        "pet",
        ("My pet is called {0}.", "I have a pet called {0}.", "~I have to feed my pet, {0}."),
        ("What is my pet called?", "Who is my pet?", "~How do I call my pet?"),
        words.name,
    ),
    Remark(
        "number",
        ("My number is {0}.", "I have the number {0}.", "~You can write down my number, {0}."),
        ("What is my number?", "Which number do I have?", "~Can you tell me my number?"),
        words.two_or_three_digits,
    ),
    Remark(
        "home",
        ("My home is {0}.", "My home is in {0}.", "~You are welcome in my home in {0}."),
        ("Where is my home?", "What is my home?", "~In which town is my home?"),
        words.name,
    ),
    Remark(
        "best friend",
        (
            "My best friend is {0}.",
            "I have a best friend called {0}.",
            "~I play most with my best friend {0}.",
        ),
        ("Who is my best friend?", "What is my best friend called?", "~Can you say who my best friend is?"),
        words.name,
    ),
    Remark(
        "favourite food",
        (
            "My favourite food is {0}.",
            "I have a favourite food, {0}.",
            "~All day I could eat my favourite food, {0}.",
        ),
        ("What is my favourite food?", "Which is my favourite food?", "~Can you say my favourite food?"),
        words.dish,
    ),
)
HEARD = "I will remember that."
SMALL_TALK = (fact, counting, adding)
"""Of the exchanges of chats, those that have one right answer each."""

SMALL_TALK_SHARE = 0.4


def draw_chat(teller: Teller, size: int) -> Exercise:
    """`size` things are said, with small talk in between; the last `size` turns ask for them, in any order.

    What comes before those is there to be followed: a measurement counts the last `size` answers alone.
    """
    said: list[Turn] = []
    asked: list[Turn] = []
    for remark in teller.stream.sample(REMARKS, size):
        remark = _invented(teller, remark) if is_time_to_invent(teller) else remark
        value = remark.value(teller)
        said += [Turn(teller.sentence(remark.statements).format(value), HEARD), *_small_talk(teller)]
        asked.append(Turn(teller.sentence(remark.questions), remark.answer(value)))
    teller.stream.shuffle(asked)
    return Exercise("", (*said, *asked), in_order=True)


def _invented(teller: Teller, remark: Remark) -> Remark:
    """About something that nobody has, said and asked for in words that come together by chance; of such values."""
    key = lone_word(teller)
    statement = loosely(teller, (f"My {key} … {{0}}.", f"… my {key} … {{0}}.", f"… {{0}} … my {key}."))
    question = loosely(teller, (f"… my {key}?", f"… {key} … I …?", f"… my {key} …?"))
    return Remark(key, (statement,), (question,), remark.value)


def _small_talk(teller: Teller) -> list[Turn]:
    if not teller.chance(SMALL_TALK_SHARE):
        return []
    return [Turn(*teller.stream.choice(SMALL_TALK)(teller))]


# Of two things that were said, either may be the one.
TASK = Task("chat", draw_chat, sizes=(2, 5), chance=1 / 2)
