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
    """`statements`, `questions`: with "~" before those that are held out. `value`: draws what is said."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str
    value: Callable[[Teller], str]


REMARKS = (
    Remark(
        ("My name is {0}.", "I am called {0}.", "~You may use my name, {0}."),
        ("What is my name?", "Do you know my name?", "~Can you say my name?"),
        "Your name is {0}.",
        words.name,
    ),
    Remark(
        ("My favourite colour is {0}.", "The colour that I like is {0}.", "~No colour is better than {0}."),
        ("What is my favourite colour?", "Which colour do I like?", "~Can you say my favourite colour?"),
        "Your favourite colour is {0}.",
        words.shade,
    ),
    Remark(
        ("My pet is called {0}.", "I have a pet called {0}.", "~The name of my pet is {0}."),
        ("What is my pet called?", "What is the name of my pet?", "~How do I call my pet?"),
        "Your pet is called {0}.",
        words.name,
    ),
    Remark(
        ("My number is {0}.", "I have the number {0}.", "~My ticket has the number {0}."),
        ("What is my number?", "Which number do I have?", "~Can you tell me my number?"),
        "Your number is {0}.",
        words.two_or_three_digits,
    ),
    Remark(
        ("I live in {0}.", "My home is in {0}.", "~My house stands in {0}."),
        ("Where do I live?", "Where is my home?", "~In which town is my house?"),
        "You live in {0}.",
        words.name,
    ),
    Remark(
        ("My best friend is {0}.", "I have a friend called {0}.", "~I play most with my friend {0}."),
        ("Who is my best friend?", "What is my friend called?", "~Can you say who my friend is?"),
        "Your best friend is {0}.",
        words.name,
    ),
    Remark(
        ("I like to eat {0}.", "My favourite food is {0}.", "~I could eat {0} all day."),
        ("What do I like to eat?", "What is my favourite food?", "~What could I eat all day?"),
        "You like to eat {0}.",
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
        asked.append(Turn(teller.sentence(remark.questions), remark.answer.format(value)))
    teller.stream.shuffle(asked)
    return Exercise("", (*said, *asked), in_order=True)


def _invented(teller: Teller, remark: Remark) -> Remark:
    """About something that nobody has, said and asked for in words that come together by chance; of such values."""
    key = lone_word(teller)
    statement = loosely(teller, (f"My {key} … {{0}}.", f"… my {key} … {{0}}.", f"… {{0}} … my {key}."))
    question = loosely(teller, (f"… my {key}?", f"… {key} … I …?", f"… my {key} …?"))
    return Remark((statement,), (question,), f"Your {key} is {{0}}.", remark.value)


def _small_talk(teller: Teller) -> list[Turn]:
    if not teller.chance(SMALL_TALK_SHARE):
        return []
    return [Turn(*teller.stream.choice(SMALL_TALK)(teller))]


# Of two things that were said, either may be the one.
TASK = Task("chat", draw_chat, sizes=(2, 5), chance=1 / 2)
