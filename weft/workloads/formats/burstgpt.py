"""BurstGPT's CSV (Wang et al., KDD 2025): a failed request has no response tokens and is left out."""

from weft.contracts.prompts import LengthPrompt
from weft.workloads.formats.format import Content, Encode, TraceFormat
from weft.workloads.reading.row import Row
from weft.workloads.sessions import Turn


def _content(row: Row, _index: int, _encode: Encode | None) -> Content | None:
    output_tokens = row.tokens("Response tokens", least=0)
    if not output_tokens:
        return None
    return Content((Turn(LengthPrompt(row.tokens("Request tokens")), output_tokens),))


BURSTGPT = TraceFormat(
    "burstgpt",
    ("Timestamp", "Request tokens", "Response tokens"),
    _content,
    lambda row: row.seconds("Timestamp"),
)
