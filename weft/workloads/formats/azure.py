"""Azure's LLM inference traces of 2023 and 2024 (Patel et al., Splitwise, ISCA 2024)."""

from weft.workloads.formats.format import TraceFormat, content_of_lengths

AZURE = TraceFormat(
    "azure",
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    content_of_lengths("ContextTokens", "GeneratedTokens"),
    lambda row: row.timestamp_s("TIMESTAMP"),
)
