"""Documents to train on: stories and chats in the form in which the model sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from weft.training.text.chats import Chat, hold_chat
from weft.training.text.stories import tell_story
from weft.training.text.streams import named_stream
from weft.training.text.teller import Teller

BEGIN, END = "<|begin|>", "<|end|>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = (BEGIN, END, SYSTEM, USER, ASSISTANT)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a document. `learnt`: whether the model is to predict it; else it only reads it."""

    text: str
    learnt: bool


Document = tuple[Part, ...]


class TokenDocument(NamedTuple):
    """`learnt`: per token, whether the model is to predict it. `learnt_bytes`: of the text that it is to predict,
    without special tokens."""

    token_ids: list[int]
    learnt: list[bool]
    learnt_bytes: int


STORY_SHARE, SAGA_SHARE = 0.35, 0.08
"""Of the documents; the rest are chats. A saga has two to five chapters, and fills long contexts."""


def documents(seed: int, name: str, *, held_out: bool) -> Iterator[Document]:
    """Documents without end from the stream of that name. `held_out`: with words and sentences of their own."""
    teller = Teller(named_stream(seed, name), held_out)
    while True:
        yield _draw_document(teller)


def _draw_document(teller: Teller) -> Document:
    draw = teller.stream.random()
    if draw < SAGA_SHARE:
        return story_document(tell_story(teller, teller.stream.randint(2, 5)).text)
    if draw < SAGA_SHARE + STORY_SHARE:
        return story_document(tell_story(teller).text)
    return chat_document(hold_chat(teller))


def story_document(text: str) -> Document:
    """A story is learnt from its first word to its end."""
    return Part(BEGIN, learnt=False), Part(text + END, learnt=True)


def chat_document(chat: Chat) -> Document:
    """Of a chat, the answers and their ends are learnt. `chat_format.py` has the same as a template."""
    parts = [Part(BEGIN, learnt=False)]
    if chat.system:
        parts.append(Part(f"{SYSTEM}{chat.system}{END}", learnt=False))
    for asked, answer in chat.exchanges:
        parts.append(Part(f"{USER}{asked}{END}{ASSISTANT}", learnt=False))
        parts.append(Part(f"{answer}{END}", learnt=True))
    return tuple(parts)


def plain_text(document: Document) -> str:
    """The whole text, special tokens included."""
    return "".join(part.text for part in document)
