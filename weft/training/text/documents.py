"""Documents to train on: stories and chats in the form in which the model sees them."""

from dataclasses import dataclass
from typing import NamedTuple

from weft.training.text.chats import Chat

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
