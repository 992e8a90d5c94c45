"""The multi-client trace of VTC (Sheng et al., OSDI 2024), made from the LMSYS Chatbot Arena log.

Its clients are told apart by the adapter that they use.
"""

from weft.contracts.prompts import LengthPrompt
from weft.workloads.formats.format import Content, Encode, TraceFormat
from weft.workloads.reading.row import Row
from weft.workloads.sessions import Client, Turn


def _content(row: Row, _index: int, _encode: Encode | None) -> Content:
    prompt = LengthPrompt(row.tokens("prompt_len"))
    return Content((Turn(prompt, row.tokens("output_len")),), Client(tenant=row.text("adapter_dir")))


ARENA = TraceFormat(
    "arena",
    ("adapter_dir", "prompt_len", "output_len", "req_time"),
    _content,
    lambda row: row.seconds("req_time"),
)
