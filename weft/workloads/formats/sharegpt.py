"""ShareGPT's conversations: a JSON array of objects with what a human and the model said by turns.

Texts are turned into tokens by the tokenizer that the user gives. The file tells no times: not when a
conversation began, nor how long anybody thought, so later turns follow at once.
"""

from collections.abc import Iterator

from weft.workloads.conversation_prompt import TranscriptPrompt
from weft.workloads.errors import TraceError
from weft.workloads.formats.format import Content, Encode, TraceFormat
from weft.workloads.reading.row import Row
from weft.workloads.sessions import Turn

_HUMAN = ("human", "user")


def _content(row: Row, _index: int, encode: Encode | None) -> Content | None:
    if encode is None:
        raise TraceError(row.path, "it holds text and no lengths; give a model whose tokenizer counts them")
    said: list[int] = []
    lengths = (
        tuple(_lengths(row.rows("conversations"), encode, said)) if row.values.get("conversations") else ()
    )
    text = tuple(said)
    turns = tuple(Turn(TranscriptPrompt(text, prompt), output) for prompt, output in lengths)
    return Content(turns) if turns else None


def _lengths(messages: list[Row], encode: Encode, said: list[int]) -> Iterator[tuple[int, int]]:
    """Of prompt and output, once per answer; messages of the model before the first of a human are part of the prompt.
    `said`: where the tokens of all messages go."""
    asked = False
    for message in messages:
        tokens = encode(_words(message))
        if message.text("from") not in _HUMAN and asked and said and tokens:
            yield len(said), len(tokens)
        asked = message.text("from") in _HUMAN
        said.extend(tokens)


def _words(message: Row) -> str:
    value = message.values.get("value")
    if not isinstance(value, str):
        raise message.problem("value", "text")
    return value


SHAREGPT = TraceFormat("sharegpt", ("conversations",), _content)
