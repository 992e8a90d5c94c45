"""Small recorded runs, as users would write them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FACTS: dict[str, Any] = {
    "server": "vllm",
    "model": "meta-llama/Llama-3.1-8B",
    "hardware": "h100",
    "source": "a test",
}
REQUEST = {"arrival_s": 1.0, "input_tokens": 100, "output_tokens": 20, "ttft_s": 0.1, "e2e_s": 0.5}
STEP = {
    "start_s": 0.0,
    "duration_s": 0.02,
    "prefill_tokens": 0,
    "prefill_sequences": 0,
    "decode_sequences": 8,
    "context_tokens": 4000,
}
POINT = {"input_tokens": 100, "output_tokens": 20, "concurrency": 2, "ttft_s": 0.05, "tpot_s": 0.01}


def write_run(
    directory: Path, kind: str, records: Sequence[Mapping[str, Any]], facts: Mapping[str, Any] | None = None
) -> Path:
    """A run in a directory, which may have to be made."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps(FACTS | dict(facts or {})))
    (directory / f"{kind}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return directory


def write_runs(directory: Path) -> Path:
    """One of each kind, and one of a model that nobody knows."""
    write_run(
        directory / "requests", "requests", [REQUEST | {"arrival_s": 0.1 * index} for index in range(5)]
    )
    write_run(directory / "steps", "steps", [STEP, STEP | {"decode_sequences": 30}])
    write_run(directory / "points", "points", [POINT])
    write_run(directory / "unknown", "points", [POINT], {"model": "nobody/nothing"})
    return directory
