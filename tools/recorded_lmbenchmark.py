"""LMBenchmark's requests as runs for `weft validate --against`: what was recorded, and what has to be assumed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Values = Mapping[str, Any]

ASSUMED_HARDWARE = "h100"
"""The only device that any setup names; most name none."""

LEAST_TP = {"8b": ("meta-llama/Llama-3.1-8B", 1), "70b": ("meta-llama/Llama-3.1-70B", 2)}
"""By what a setup's name has of its model: the one of the catalogue that is built alike, and the fewest devices of
80 GB that hold its weights in 16 bits."""

ASSUMED = (
    "not recorded, assumed: tp is the fewest devices that hold the weights, memory for keys and values as predicted, "
    "batches of vLLM's defaults, no prompt shares its beginning with another"
)
ASSUMED_DEVICE = f"{ASSUMED}; the device is not named, {ASSUMED_HARDWARE} is assumed"


def lmbenchmark_runs(rows: Iterable[Values]) -> Iterator[tuple[str, Values, list[Values]]]:
    """Name, facts and requests of each setup, workload and rate. Left out: setups of Llama 4, whose size is not
    recorded."""
    runs: dict[tuple[str, str, float], list[Values]] = defaultdict(list)
    for row in rows:
        runs[row["setup"], row["workload"], round(row["qps"], 3)].append(row)
    for (setup, workload, rate), members in sorted(runs.items()):
        facts = setup_facts(setup)
        if facts is not None:
            yield f"{setup}/{workload}-{rate:g}", facts, [_request(row) for row in members]


def setup_facts(setup: str) -> Values | None:
    """What a setup's name says, and what is assumed beside it; None where it does not tell the model."""
    known = setup.lower()
    size = next((size for size in LEAST_TP if size in known), None)
    if size is None:
        return None
    model, tp = LEAST_TP[size]
    return {
        "server": "vllm",
        "model": model,
        "hardware": ASSUMED_HARDWARE,
        "source": "llm-d/llm-d-benchmark, LMBenchmark",
        "tp": tp,
        "dp": 2 if "2replicas" in known else 1,
        "notes": ASSUMED if ASSUMED_HARDWARE in known else ASSUMED_DEVICE,
    }


def _request(row: Values) -> Values:
    return {
        "arrival_s": row["arrival_s"],
        "input_tokens": int(row["prompt_tokens"]),
        "output_tokens": int(row["generation_tokens"]),
        "ttft_s": row["ttft"],
        "e2e_s": row["e2e_s"],
    }
