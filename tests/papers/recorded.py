"""Recorded runs for the quick forms of cards, with times that are known."""

from math import log
from pathlib import Path

from tests.measurement.validation.recorded import POINT, STEP, write_run

LLAMA_8B = {"model": "meta-llama/Llama-3.1-8B"}

KINDS = {"ets-itertime": "steps", "idealized-runtime": "points"}
"""Cards that read recorded runs, and of which kind."""


def write_recorded(card_id: str, directory: Path) -> Path | None:
    """What the card reads; None where it reads nothing."""
    kind = KINDS.get(card_id)
    if kind is None:
        return None
    return write_steps(directory) if kind == "steps" else write_points(directory)


def write_steps(directory: Path, name: str = "run", layer_s: float = 1e-3) -> Path:
    """Steps of a framework that is slow to launch: `layer_s` for each of 32 layers, then a little per sequence."""
    steps = []
    for index in range(90):
        decodes, prefill = 1 + 7 * index % 64, 100 * (index % 4)
        steps.append(
            STEP
            | {
                "start_s": 4.0 * index,
                "duration_s": 32.0 * (layer_s + 1e-5 * decodes + 2e-6 * prefill),
                "prefill_tokens": prefill,
                "prefill_sequences": int(prefill > 0),
                "decode_sequences": decodes,
                "context_tokens": 500 * decodes + prefill,
            }
        )
    write_run(directory / name, "steps", steps, LLAMA_8B)
    return directory


def write_points(directory: Path) -> Path:
    """Loops of 1 to 5 clients in three shapes: 0.1 ms per token of a prompt, and tokens that slow down with clients."""
    points = [
        POINT
        | {"input_tokens": prompt, "output_tokens": output, "concurrency": clients}
        | {"ttft_s": 1e-4 * prompt, "tpot_s": 0.01 * (1.0 + log(clients))}
        for prompt, output in ((1024, 1024), (1024, 8192), (8192, 1024))
        for clients in range(1, 6)
    ]
    write_run(directory / "run", "points", points, LLAMA_8B)
    return directory
