"""What was served and how: `run.json` of a recorded run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from weft.contracts.options import AUTO
from weft.contracts.state import DEFAULT_BLOCK_TOKENS
from weft.workloads.errors import TraceError, shown

FACTS_FILE = "run.json"

MOST_COUNT = 1 << 40
"""Bounds a wrong number."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """How a server was set up when a run was recorded.

    `server`: its kind (vllm, sglang, trtllm, ...), which says what the host costs. `model`: a name of the catalogue, or
    the path of a config.json, seen from the run's directory. `hardware`: of one device. `dp`: copies that share the
    requests; with `ep` above 1 their experts lie on all devices of all copies. `kv_blocks`: of one copy, as the server
    logged it; None: what the memory is predicted to hold. `rounds`: of points, the
    requests of each client, where all of them count and the first are sent at once; None: the loop was in full swing.
    `least_length_share`: lengths of points were drawn evenly between this share of what is stated and all of it.
    `source`: who recorded it, where it can be found.
    """

    server: str
    model: str
    hardware: str
    source: str
    version: str = "unknown"
    tp: int = 1
    pp: int = 1
    ep: int = 1
    cp: int = 1
    dp: int = 1
    dtype: str = AUTO
    quantization: str | None = None
    kv_cache_dtype: str = AUTO
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    kv_blocks: int | None = None
    block_tokens: int = DEFAULT_BLOCK_TOKENS
    prefix_caching: bool = True
    rounds: int | None = None
    least_length_share: float = 1.0
    notes: str = ""


_REQUIRED = ("server", "model", "hardware", "source")
_TEXTS = (*_REQUIRED, "version", "dtype", "quantization", "kv_cache_dtype", "notes")
_OPTIONAL = ("quantization", "kv_blocks", "rounds")


def read_facts(path: Path) -> RunFacts:
    """The facts in a file. Raises `TraceError` for a file that is no such thing, with the key that is wrong."""
    values = _read_object(path)
    known = [field.name for field in fields(RunFacts)]
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise TraceError(path, f"key {shown(key)} is unknown; {advice}")
    missing = [key for key in _REQUIRED if key not in values]
    if missing:
        raise TraceError(path, f"key {missing[0]!r} is missing; add it")
    for key, value in values.items():
        wanted = _wanted(key, value)
        if wanted:
            raise TraceError(path, f"key {key!r} is {shown(value)}; it must be {wanted}")
    return _beside(path, RunFacts(**values))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TraceError(path, f"it cannot be read ({error.strerror or error}); check the path") from None
    except (ValueError, RecursionError) as error:
        raise TraceError(path, f"it is no JSON ({error}); mend it") from None
    if not isinstance(values, dict):
        raise TraceError(path, f"{shown(values)} is no JSON object; write the facts of the run as one")
    return values


def _wanted(key: str, value: object) -> str:
    """What the value of a key must be; nothing where it is that."""
    if value is None and key in _OPTIONAL:
        return ""
    if key in _TEXTS:
        is_good = isinstance(value, str) and bool(value or key == "notes")
        return "" if is_good else "text"
    if key == "prefix_caching":
        return "" if isinstance(value, bool) else "true or false"
    if key == "least_length_share":
        is_share = isinstance(value, int | float) and not isinstance(value, bool) and 0.0 < value <= 1.0
        return "" if is_share else "a number above 0 and at most 1"
    is_count = type(value) is int and 1 <= value <= MOST_COUNT
    return "" if is_count else "a whole number from 1 on"


def _beside(path: Path, facts: RunFacts) -> RunFacts:
    """A model's config may lie beside the facts; then its path counts from there."""
    beside = path.parent / facts.model
    if not beside.is_file() or path.parent.resolve() not in beside.resolve().parents:
        return facts
    changed: Mapping[str, Any] = {field.name: getattr(facts, field.name) for field in fields(RunFacts)}
    return RunFacts(**{**changed, "model": str(beside)})
