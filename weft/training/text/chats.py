"""Chats: exchanges in a row, some of them about a story that was just told or about a name that was given."""

from dataclasses import dataclass

from weft.training.text import lexicon
from weft.training.text.exchanges import Exchange, draw_exchange
from weft.training.text.lexicon import with_article
from weft.training.text.small_talk import SYSTEM_TEXTS
from weft.training.text.stories import Story, tell_story
from weft.training.text.teller import Teller

WISHES = (
    "Tell me a story about {subject}.",
    "Please tell me a story about {subject}.",
    "Can you tell me a story about {subject}?",
    "I would like to hear a story about {subject}.",
    "Write a story about {subject}.",
    "Write a short story about {subject}.",
    "tell me a story about {subject}",
    "A story about {subject}, please.",
    "~Do you know a story about {subject}?",
)
OPEN_WISHES = (
    "Tell me a story.",
    "Please tell me a story.",
    "Tell me a short story.",
    "Can you tell me a story?",
    "I would like to hear a story.",
    "Once more, please: a story!",
    "tell me a story",
    "Tell me another story.",
    "Write a story.",
    "~Do you know any stories?",
)
READINGS = (
    "{story}\n{question}",
    "Here is a story: {story}\n{question}",
    "Read this story. {story}\n{question}",
    "~Listen to this story: {story}\n{question}",
)


@dataclass(frozen=True, slots=True)
class Chat:
    """`system`: what stands before the first message; "" where there is nothing."""

    system: str
    exchanges: tuple[Exchange, ...]


def hold_chat(teller: Teller) -> Chat:
    """A chat of one to eight exchanges."""
    system = teller.stream.choice(SYSTEM_TEXTS) if teller.chance(0.15) else ""
    parts = [_part(teller) for _ in range(teller.stream.choice((1, 1, 1, 2, 2, 3, 5)))]
    return Chat(system, tuple(exchange for part in parts for exchange in part)[:8])


def _part(teller: Teller) -> list[Exchange]:
    draw = teller.stream.random()
    if draw < 0.28:
        return _story_and_questions(teller)
    if draw < 0.38:
        return _questions_about_a_reading(teller)
    if draw < 0.48:
        return _introduction(teller)
    return [draw_exchange(teller)]


def _story_and_questions(teller: Teller) -> list[Exchange]:
    story = tell_story(teller)
    asked = teller.stream.sample(story.questions, teller.stream.choice((0, 0, 1, 1, 2, 3)))
    return [(_wish(teller, story), story.text), *asked]


def _wish(teller: Teller, story: Story) -> str:
    if teller.chance(0.25):
        return teller.sentence(OPEN_WISHES)
    hero = story.hero
    subject = teller.stream.choice(
        (
            story.subject,
            story.subject,
            with_article(hero.kind),
            f"a {hero.trait} {hero.kind}",
            f"{with_article(hero.kind)} named {hero.name}",
            hero.name,
        )
    )
    return teller.sentence(WISHES).format(subject=subject)


def _questions_about_a_reading(teller: Teller) -> list[Exchange]:
    """The user brings the story."""
    story = tell_story(teller)
    (first, answer), *more = teller.stream.sample(story.questions, teller.stream.choice((2, 3, 4)))
    return [(teller.sentence(READINGS).format(story=story.text, question=first), answer), *more]


def _introduction(teller: Teller) -> list[Exchange]:
    """A name is given, and asked for after something else."""
    girl_or_boy = teller.stream.choice((lexicon.GIRLS, lexicon.BOYS))
    name = teller.made_up().capitalize() if teller.chance(0.5) else teller.word(girl_or_boy)
    given = teller.sentence(
        ("My name is {0}.", "Hello, I am {0}.", "Hi! I am called {0}.", "~People call me {0}.")
    )
    greeted = teller.sentence(("Hello, {0}! Nice to meet you.", "Hello, {0}! How can I help you?"))
    asked = teller.sentence(
        ("What is my name?", "Do you know my name?", "Who am I?", "~Can you say my name?")
    )
    between = [draw_exchange(teller)] if teller.chance(0.5) else []
    return [(given.format(name), greeted.format(name)), *between, (asked, f"Your name is {name}.")]
