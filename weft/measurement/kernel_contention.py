"""What is left of the `cpu` backend's speed beside a busy process: on one of the processors, or on any."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from weft.measurement.bench_model import RANDOM_MODEL
from weft.measurement.kernel_bench import make_layers, make_pass
from weft.model_specs.families import spec_from_config

if TYPE_CHECKING:
    from weft.ops.cpu.products import Products
    from weft.ops.cpu.trials import Pass

ROUNDS = 3
ROUND_SECONDS = 0.6
SETTLING_SECONDS = 0.6
"""After somebody came or went, until the pool of threads has noticed."""


class Contended(NamedTuple):
    """Tokens per second of a model that has nothing but linear layers: nobody else there, a busy process that may only
    use one of our processors, and one that may use all."""

    format: str
    rows: int
    quiet: float
    pinned: float
    free: float


def bench_contention(products: "Products", kind: str, sizes: Sequence[int]) -> Iterator[Contended]:
    """For each number of rows: medians of rounds that take turns."""
    layers = make_layers(spec_from_config(RANDOM_MODEL, "the random model"), kind)
    for rows in sizes:
        taken = make_pass(layers, products, rows)
        rounds = [_round(taken, rows) for _ in range(ROUNDS)]
        yield Contended(kind, rows, *(median(figures) for figures in zip(*rounds, strict=True)))


def _round(taken: "Pass", rows: int) -> tuple[float, float, float]:
    last = max(os.sched_getaffinity(0))
    quiet = _tokens_per_s(taken, rows)
    with busy_process({last}):
        pinned = _tokens_per_s(taken, rows)
    with busy_process(os.sched_getaffinity(0)):
        free = _tokens_per_s(taken, rows)
    return quiet, pinned, free


def _tokens_per_s(taken: "Pass", rows: int) -> float:
    _repeat(taken, SETTLING_SECONDS)
    num_passes, seconds = _repeat(taken, ROUND_SECONDS)
    return num_passes * rows / seconds


def _repeat(taken: "Pass", seconds: float) -> tuple[int, float]:
    """How many passes it took to last so long, and how long they did."""
    begun_s, num_passes = perf_counter(), 0
    while (elapsed_s := perf_counter() - begun_s) < seconds or not num_passes:
        taken.times()
        num_passes += 1
    return num_passes, elapsed_s


@contextmanager
def busy_process(processors: set[int]) -> Iterator[None]:
    """Somebody who never sleeps, on these processors."""
    code = f"import os; os.sched_setaffinity(0, {processors!r})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as busy:
        try:
            yield
        finally:
            busy.kill()
