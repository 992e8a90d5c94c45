"""Trace formats, one per file. A file's format is recognised by its columns."""

from weft.workloads.formats.arena import ARENA
from weft.workloads.formats.azure import AZURE
from weft.workloads.formats.burstgpt import BURSTGPT
from weft.workloads.formats.format import TraceFormat
from weft.workloads.formats.lengths_only import LENGTHS_ONLY
from weft.workloads.formats.llmservingsim import LLMSERVINGSIM
from weft.workloads.formats.mooncake import MOONCAKE
from weft.workloads.formats.sharegpt import SHAREGPT
from weft.workloads.formats.timed import TIMED, TIMED_SESSIONS

FORMATS: tuple[TraceFormat, ...] = (
    AZURE,
    BURSTGPT,
    MOONCAKE,
    ARENA,
    LLMSERVINGSIM,
    SHAREGPT,
    TIMED_SESSIONS,
    TIMED,
    LENGTHS_ONLY,
)
"""In the order in which they are tried."""
