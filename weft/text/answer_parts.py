"""What the text of an answer consists of, in the order in which it comes. All protocols of conversations tell these."""

from typing import NamedTuple


class Content(NamedTuple):
    """More of what is said to the user."""

    text: str


class Reasoning(NamedTuple):
    """More of what the model thinks before it answers."""

    text: str


class CallStart(NamedTuple):
    """Tool call number `index` of this answer begins; its arguments follow."""

    index: int
    call_id: str
    name: str


class CallArguments(NamedTuple):
    """More of the arguments of tool call number `index`: a piece of the JSON text of an object."""

    index: int
    text: str


AnswerPart = Content | Reasoning | CallStart | CallArguments
