"""What the text of an answer consists of, in the order in which it comes. All protocols of conversations tell these."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """More of what is said to the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """Tool call number `index` of this answer begins; its arguments follow."""

    index: int
    call_id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of the arguments of tool call number `index`: a piece of the JSON text of an object."""

    index: int
    text: str


AnswerPart = Content | Reasoning | CallStart | CallArguments
