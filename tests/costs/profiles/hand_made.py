"""Tables that tests write themselves, in the layouts of those that were published."""

from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[4] / "shared/data/profiles"

GEMM = ("gemm_dtype", "m", "n", "k", "latency")
ATTENTION = (
    "kv_cache_dtype",
    "window_size",
    "num_heads",
    "num_key_value_heads",
    "head_dim",
    "batch_size",
    "isl",
    "step",
    "latency",
)
MOE = (
    "moe_dtype",
    "distribution",
    "num_tokens",
    "hidden_size",
    "inter_size",
    "num_experts",
    "topk",
    "moe_tp_size",
    "moe_ep_size",
    "latency",
)


def shared_profiles() -> Path:
    """Published tables beside the checkout; the test is skipped where there are none."""
    pytest.importorskip("pyarrow.parquet")
    if not SHARED.exists():
        pytest.skip(f"no {SHARED}")
    return SHARED


def write(path: Path, columns: tuple[str, ...], *rows: tuple[Any, ...]) -> Path:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table({name: [row[i] for row in rows] for i, name in enumerate(columns)}), path)
    return path


def gemm(directory: Path, *rows: tuple[int, int, int, float], version: str = "0.24.0") -> Path:
    """Of the H100: m, n, k, milliseconds."""
    path = directory / f"h100_sxm/gemm/vllm/{version}/gemm_perf.parquet"
    return write(path, GEMM, *(("bfloat16", *row) for row in rows))


def attention(directory: Path, kind: str, *rows: tuple[int, ...]) -> Path:
    """Of the H100, 8 heads on 2: sequences, tokens, tokens before, microseconds."""
    path = directory / f"h100_sxm/attention/vllm/0.24.0/{kind}_attention_perf.parquet"
    full = (("bfloat16", 0, 8, 2, 128, *row[:-1], row[-1] / 1e3) for row in rows)
    return write(path, ATTENTION, *full)
