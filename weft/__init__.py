"""Weft serves and simulates large language models: the code that serves is the code that simulates.

Importing this package costs nothing: every room below is imported by whoever needs it, and so is what is
named here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.contracts.requests import Pooling as Pooling
    from weft.contracts.requests import SamplingParams as SamplingParams
    from weft.contracts.version import __version__ as __version__
    from weft.llm.async_llm import AsyncLLM as AsyncLLM
    from weft.llm.llm import LLM as LLM
    from weft.llm.results import CompletionChunk as CompletionChunk
    from weft.llm.results import CompletionOutput as CompletionOutput
    from weft.llm.results import EmbeddingOutput as EmbeddingOutput
    from weft.llm.results import RequestFailed as RequestFailed
    from weft.llm.results import RequestOutput as RequestOutput
    from weft.measurement.simulation import simulate as simulate
    from weft.measurement.sweep import sweep as sweep
    from weft.measurement.sweep_plan import Span as Span

_HOMES = {
    "SamplingParams": "weft.contracts.requests",
    "Pooling": "weft.contracts.requests",
    "LLM": "weft.llm.llm",
    "AsyncLLM": "weft.llm.async_llm",
    "CompletionChunk": "weft.llm.results",
    "CompletionOutput": "weft.llm.results",
    "RequestOutput": "weft.llm.results",
    "EmbeddingOutput": "weft.llm.results",
    "RequestFailed": "weft.llm.results",
    "simulate": "weft.measurement.simulation",
    "sweep": "weft.measurement.sweep",
    "Span": "weft.measurement.sweep_plan",
    "__version__": "weft.contracts.version",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
