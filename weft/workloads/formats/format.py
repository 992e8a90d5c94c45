"""What a trace format must tell."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from weft.contracts.prompts import LengthPrompt
from weft.workloads.reading.row import Row
from weft.workloads.sessions import ANYONE, Client, Turn

Encode = Callable[[str], Sequence[int]]
"""Text to token ids, by a tokenizer; None stands for none."""


class Content(NamedTuple):
    """What a row asks, and who: a session without its number and time."""

    turns: tuple[Turn, ...]
    client: Client = ANYONE


class TraceFormat(NamedTuple):
    """How rows become sessions.

    `columns`: a file that has these is taken to be of this format. `content`: what a row asks, by the row,
    its index from 0, and a tokenizer where the user gave one; None for a row that is left out. `arrival_s`:
    on any clock that does not run backwards; None where the format tells no times. Values that cannot be
    right raise `TraceError`.
    """

    name: str
    columns: tuple[str, ...]
    content: Callable[[Row, int, Encode | None], Content | None]
    arrival_s: Callable[[Row], float] | None = None


def content_of_lengths(
    prompt_column: str, output_column: str
) -> Callable[[Row, int, Encode | None], Content]:
    """For formats that tell two lengths in tokens and nothing else."""

    def content(row: Row, _index: int, _encode: Encode | None) -> Content:
        return Content((Turn(LengthPrompt(row.tokens(prompt_column)), row.tokens(output_column)),))

    return content
