"""Promise 1 on a real model: the same bits alone or in a crowd (see `same_tokens.py`)."""

import asyncio
import threading
from pathlib import Path

import pytest

from tests.executor.same_tokens import SameTokens
from weft.contracts.options import AUTO
from weft.observation.conditions import report

CHECKPOINT = Path(__file__).resolve().parents[3] / "shared/data/models/stories260K_hf"
MIXTURES = (1, 3, 9, 11)
"""Seeds whose models have experts."""
FORMATS = (("none", "bfloat16"), ("int8", "float32"), ("int4", "bfloat16"), ("int8-a16", "bfloat16"))
REACHED = (
    "preemption by recompute",
    "preemption by swap",
    "preemption: swapped state came back",
    "schedule: a prompt was split over steps",
    "schedule: a waiting sequence found cached state",
    "state: a shared block was copied before a write",
    "state: blocks left the attention window",
    "engine: a request was cancelled while running",
    "result: a sequence ended while its next step was under way",
)


def _play(seeds: range, num_requests: int) -> int:
    compared = 0
    for seed in seeds:
        world = SameTokens(seed)
        compared += asyncio.run(world.play(world.requests(num_requests, str(seed))))
    return compared


def test_some_hundred_requests_get_the_same_bits_as_alone() -> None:
    before = {name: hits for name, hits in _hits().items() if name in REACHED}
    threads = threading.active_count()
    assert _play(range(12), 28) > 200
    assert threading.active_count() == threads
    missed = [name for name in REACHED if _hits()[name] == before.get(name, 0)]
    assert not missed, f"never reached: {missed}"


@pytest.mark.skipif(not CHECKPOINT.is_dir(), reason=f"needs the checkpoint {CHECKPOINT}")
@pytest.mark.parametrize("backend", ["reference", AUTO])
def test_a_real_checkpoint_gives_the_same_bits_in_a_crowd(backend: str) -> None:
    for seed in (1, 2):
        world = SameTokens(seed, CHECKPOINT, backend=backend, device="cpu")
        assert asyncio.run(world.play(world.requests(24, str(seed)))) > 10


@pytest.mark.parametrize(
    ("seed", "quantization", "dtype", "kv_cache_dtype"),
    [
        (0, "none", "bfloat16", "auto"),
        (5, "none", "float32", "int8"),
        (6, "int8", "bfloat16", "int8"),
        (2, "int4", "float32", "auto"),
        (10, "int4", "bfloat16", "int8"),
        (4, "int8-a16", "bfloat16", "auto"),
        (7, "int4-64-a16", "bfloat16", "int8"),
        (8, "int4-a16", "float32", "auto"),
        *((seed, kind, dtype, "auto") for seed, (kind, dtype) in zip(MIXTURES, FORMATS, strict=True)),
    ],
)
def test_where_no_backend_is_named_the_bits_are_the_same_in_a_crowd(
    seed: int, quantization: str, dtype: str, kv_cache_dtype: str
) -> None:
    world = SameTokens(
        seed,
        backend=AUTO,
        device="cpu",
        quantization=quantization,
        dtype=dtype,
        kv_cache_dtype=kv_cache_dtype,
    )
    assert (world.spec.experts is not None) is (seed in MIXTURES)
    assert asyncio.run(world.play(world.requests(12, str(seed)))) > 5


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_requests_get_the_same_bits_as_alone(part: int) -> None:
    assert _play(range(1000 + 40 * part, 1040 + 40 * part), 30) > 900


def _hits() -> dict[str, int]:
    return {name: record.hits for name, record in report().items()}
