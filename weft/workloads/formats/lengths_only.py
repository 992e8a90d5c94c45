"""Tables of lengths without times, with the column names that Vidur (Agrawal et al., MLSys 2024) gave them."""

from weft.workloads.formats.format import TraceFormat, content_of_lengths

LENGTHS_ONLY = TraceFormat(
    "lengths",
    ("num_prefill_tokens", "num_decode_tokens"),
    content_of_lengths("num_prefill_tokens", "num_decode_tokens"),
)
