"""Requests with token ids, as LLMServingSim (Cho et al., IISWC 2024) records them: times in nanoseconds."""

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import TokenPrompt
from weft.workloads.formats.format import Content, Encode, TraceFormat
from weft.workloads.reading.row import Row
from weft.workloads.sessions import Turn


def token_prompt(row: Row, column: str) -> TokenPrompt:
    """The prompt whose token ids a column lists."""
    tokens = row.whole_numbers(column)
    try:
        return TokenPrompt(tokens)
    except (InvalidRequest, ValueError):
        raise row.problem(column, "at least one token id, each from 0 to 2^31 - 1") from None


def _content(row: Row, _index: int, _encode: Encode | None) -> Content:
    return Content((Turn(token_prompt(row, "input_tok_ids"), row.tokens("output_toks")),))


LLMSERVINGSIM = TraceFormat(
    "llmservingsim",
    ("input_tok_ids", "output_toks", "arrival_time_ns"),
    _content,
    lambda row: row.seconds("arrival_time_ns", units_per_s=1e9),
)
