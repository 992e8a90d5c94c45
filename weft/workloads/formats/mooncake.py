"""Mooncake's traces (Qin et al., FAST 2025): times in milliseconds, a hash per 512 tokens of the prompt."""

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import HashPrompt
from weft.workloads.formats.format import Content, Encode, TraceFormat
from weft.workloads.reading.row import Row
from weft.workloads.sessions import Turn

HASH_TOKENS = 512


def _content(row: Row, _index: int, _encode: Encode | None) -> Content:
    hashes = row.whole_numbers("hash_ids")
    try:
        prompt = HashPrompt(row.tokens("input_length"), hashes, HASH_TOKENS)
    except InvalidRequest as error:
        raise row.problem("hash_ids", f"one hash per {HASH_TOKENS} tokens ({error})") from None
    return Content((Turn(prompt, row.tokens("output_length")),))


MOONCAKE = TraceFormat(
    "mooncake",
    ("timestamp", "input_length", "output_length", "hash_ids"),
    _content,
    lambda row: row.seconds("timestamp", units_per_s=1000.0),
)
