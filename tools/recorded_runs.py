"""Recorded runs of others in the format of `weft validate --against`: python -m tools.recorded_runs SOURCES OUTPUT.

SOURCES is a directory with `groundtruth` and `profiles`. What is written is not ours to publish.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet  # type: ignore[import-untyped]

from tools.recorded_lmbenchmark import lmbenchmark_runs
from weft.costs.servers import TAKING_TURNS

Values = Mapping[str, Any]


def write_run(directory: Path, facts: Values, kind: str, records: Iterable[Values]) -> None:
    """One run: its facts, and its records in lines."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (directory / f"{kind}.jsonl").write_text(lines, encoding="utf-8")


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return rows


STEP_MODELS = {
    "llama-2-70b": "meta-llama/Llama-2-70b-hf",
    "llama-2-70b-hf": "meta-llama/Llama-2-70b-hf",
    "codellama-34b": "meta-llama/CodeLlama-34b-hf",
}
STEP_BLOCK_TOKENS = 16
"""Not stated in the data; it follows from the blocks that prompts of known length took."""


def convert_steps(sources: Path, output: Path) -> int:
    """vLLM's scheduler steps on H100; those without their successor in the data have no known duration."""
    rows = _rows(sources / "groundtruth/inference_sim_h100/steps.parquet")
    experiments: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        experiments[row["experiment_id"]].append(row)
    for name, steps in experiments.items():
        steps.sort(key=lambda row: row["step.id"])
        first = steps[0]
        facts = {
            "server": "vllm",
            "model": STEP_MODELS[first["model"]],
            "hardware": "h100",
            "source": "inference-sim/inference-sim, recorded in February 2026",
            "tp": first["tp"],
            "kv_blocks": first["kv.blocks_total_gpu"],
        }
        write_run(output / "inference_sim" / name, facts, "steps", _steps(steps))
    return len(experiments)


def _steps(rows: list[dict[str, Any]]) -> Iterable[Values]:
    for row, following in pairwise(rows):
        if following["step.id"] != row["step.id"] + 1 or not row["batch.scheduled_tokens"]:
            continue
        used_blocks = row["kv.blocks_total_gpu"] - row["kv.blocks_free_gpu"]
        yield {
            "start_s": row["step.ts_start_ns"] / 1e9,
            "duration_s": (following["step.ts_start_ns"] - row["step.ts_start_ns"]) / 1e9,
            "prefill_tokens": row["batch.prefill_tokens"],
            "prefill_sequences": row["batch.num_prefill_reqs"],
            "decode_sequences": row["batch.num_decode_reqs"],
            "context_tokens": max(used_blocks * STEP_BLOCK_TOKENS, row["batch.scheduled_tokens"]),
        }


REQUEST_HARDWARE = {"RTX4090": "rtx-4090", "RTXPRO6000": "rtx-pro-6000"}


def convert_requests(sources: Path, output: Path) -> int:
    """vLLM's requests on workstation GPUs."""
    folder = sources / "groundtruth/llmservingsim_bench"
    setups, rows = json.loads((folder / "meta.json").read_text()), _rows(folder / "requests.parquet")
    for name, setup in setups.items():
        engine, cache = setup["engine_kwargs"], setup.get("kv_cache") or {}
        dp, tp = engine["data_parallel_size"], engine["tensor_parallel_size"]
        facts = {
            "server": "vllm",
            "version": setup["vllm_version"],
            "model": re.sub("-Instruct-2507$", "", setup["model"]),
            "hardware": REQUEST_HARDWARE[name.partition("/")[0]],
            "source": "casys-kaist/LLMServingSim, benchmark runs, 2026",
            "tp": tp,
            "dp": dp,
            "ep": dp * tp if engine["enable_expert_parallel"] else 1,
            "dtype": engine["dtype"],
            "max_num_seqs": engine["max_num_seqs"],
            "max_num_batched_tokens": engine["max_num_batched_tokens"],
            "kv_blocks": cache.get("num_gpu_blocks"),
        }
        requests = (_request(row) for row in rows if row["setup"] == name)
        write_run(output / "llmservingsim" / name.replace("/", "-"), facts, "requests", requests)
    return len(setups)


def _request(row: Values) -> Values:
    """Arrivals count from when the server had the request in its queue, as its latencies do."""
    return {
        "arrival_s": row["queued_ts"],
        "input_tokens": row["input_toks"],
        "output_tokens": row["output_toks"],
        "ttft_s": row["first_token_ts"] - row["queued_ts"],
        "e2e_s": row["last_token_ts"] - row["queued_ts"],
    }


POINT_MODELS = {
    "Qwen/Qwen3-235B-A22B-FP8": "Qwen/Qwen3-235B-A22B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Llama-3.1-8B",
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
    "deepseek-ai/DeepSeek-R1": "deepseek-ai/DeepSeek-V3",
    "nvidia/DeepSeek-R1-NVFP4": "deepseek-ai/DeepSeek-V3",
    "nvidia/DeepSeek-V3.1-NVFP4": "deepseek-ai/DeepSeek-V3",
}
"""By other names, those of the catalogue that are built alike."""

GRADED_MODELS = (
    *("MiniMaxAI/MiniMax-M2.5", "Qwen/Qwen3-235B-A22B", "Qwen/Qwen3-32B", "meta-llama/Llama-3.1-70B"),
    *("meta-llama/Llama-3.1-8B", "openai/gpt-oss-120b"),
)
"""Dense ones and mixtures of experts with grouped-query attention."""

POINT_FORMATS = {None: None, "fp8": "fp8", "fp4": "nvfp4", "int4": "w4a16", "bf16": None}
UNGRADED_SYSTEMS = ("b300_sxm", "gb200")
"""Devices of which no kernels were measured."""

LEAST_LENGTH_SHARE = 0.8
"""InferenceMAX draws lengths evenly from this share on (its `RANDOM_RANGE_RATIO`); its rows are of dated files."""

DRAWN_ROUNDS = 10
"""It sends ten times as many requests as there are clients, and all count; of other rows nothing is stated."""


FIRST_AHEAD = 14
"""vLLM 0.14 is the first that schedules steps ahead of the devices by default (its release notes, January 2026)."""


def convert_points(sources: Path, output: Path) -> int:
    """Closed loops of many models and devices: those that are graded, and the rest by backend."""
    runs: dict[tuple[str, ...], tuple[Values, list[Values]]] = {}
    for row in _rows(sources / "profiles/aiconfigurator/silicon_sample.parquet"):
        facts = _point_facts(row) if row["mode"] == "agg" and row["batch_size"] else None
        if facts is not None:
            place = _point_place(row, facts)
            runs.setdefault(place, (facts, []))[1].append(_point(row))
    for place, (of_run, points) in runs.items():
        write_run(output.joinpath("silicon", *place), of_run, "points", points)
    return len(runs)


def _point_place(row: Values, facts: Values) -> tuple[str, ...]:
    """Runs that a server was set up for alike lie together; rows of another benchmark, client or version apart."""
    is_graded = (
        row["backend"] == "vllm" and facts["model"] in GRADED_MODELS and row["system"] not in UNGRADED_SYSTEMS
    )
    drawn = "" if facts["least_length_share"] == 1.0 else "-drawn"
    name = (
        f"{facts['model'].rpartition('/')[2]}-{facts['hardware']}-{row['precision'] or 'bf16'}-tp{facts['tp']}"
        f"-dp{facts['dp']}-ep{facts['ep']}-{facts['version']}{drawn}"
    )
    return ("graded" if is_graded else "reported", row["backend"], name)


def _point_facts(row: Values) -> dict[str, Any]:
    tp, dp, ep = _cut(row)
    is_drawn = re.match(r"(db-dump/|source_file=)\d{4}-", row["silicon_data_source"]) is not None
    has_fp8_state = "Llama-3.1-70B" in row["model_path"] or (
        row["system"] == "b200_sxm" and "gpt-oss" in row["model_path"]
    )
    precision = "int4" if "gpt-oss" in row["model_path"] else row["precision"]
    return {
        "server": _server(row, is_drawn),
        "version": row["backend_version"] or "unknown",
        "model": POINT_MODELS.get(row["model_path"], row["model_path"]),
        "hardware": row["system"].removesuffix("_sxm"),
        "source": "ai-dynamo/aiconfigurator, silicon data",
        "tp": tp,
        "dp": dp,
        "ep": ep,
        "quantization": POINT_FORMATS[precision],
        "kv_cache_dtype": "fp8" if is_drawn and has_fp8_state else "auto",
        "max_num_seqs": 1024,
        "max_num_batched_tokens": 8192,
        "prefix_caching": False,
        "rounds": DRAWN_ROUNDS if is_drawn else None,
        "least_length_share": LEAST_LENGTH_SHARE if is_drawn else 1.0,
    }


def _server(row: Values, is_drawn: bool) -> str:
    """InferenceMAX has vLLM schedule steps ahead, which later versions do unless told otherwise."""
    version = re.match(r"0\.(\d+)", row["backend_version"] or "")
    is_earlier = version is not None and int(version[1]) < FIRST_AHEAD and not is_drawn
    return f"{row['backend']}{TAKING_TURNS}" if row["backend"] == "vllm" and is_earlier else row["backend"]


def _cut(row: Values) -> tuple[int, int, int]:
    """Ways of tensors, copies, and ways of experts: from the id where it tells, else from the columns.

    With attention in copies, `tp` counts all devices. Without expert parallelism, copies cut each expert together, as
    vLLM does; the nearest there is are whole experts on all of their devices.
    """
    from_id = re.search(r"_tp(\d+)(?:_\d+)?_ep(\d+|none)", row["id"])
    columns = {
        name: int(row[name] or 1) for name in ("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
    }
    tp = int(from_id[1]) if from_id else columns["tp_size"]
    ep = int(from_id[2]) if from_id and from_id[2] != "none" else columns["moe_ep_size"]
    if columns["attention_dp_size"] > 1:
        return 1, tp, tp
    dp = (
        max(1, columns["moe_tp_size"] * columns["moe_ep_size"] // tp)
        if row["attention_dp_size"] is None
        else 1
    )
    return tp, dp, dp * tp if dp > 1 or ep > 1 else 1


def _point(row: Values) -> Values:
    stated = re.search(r"silicon_concurrency=(\d+)", row["silicon_data_source"])
    stated = stated or re.search(r"_c(\d+)(?=_|$)", row["id"])
    return {
        "input_tokens": row["isl"],
        "output_tokens": row["osl"],
        "concurrency": int(stated[1]) if stated else int(row["batch_size"]),
        "ttft_s": row["silicon_ttft_ms"] / 1e3,
        "tpot_s": row["silicon_tpot_ms"] / 1e3,
    }


def convert_lmbenchmark(sources: Path, output: Path) -> int:
    """Requests of servers whose set-up is not recorded: to be reported, not graded."""
    rows = _rows(sources / "groundtruth/llmd_lmbenchmark/requests.parquet")
    runs = list(lmbenchmark_runs(rows))
    for name, facts, requests in runs:
        write_run(output / "lmbenchmark" / name, facts, "requests", requests)
    return len(runs)


CONVERTERS: tuple[Callable[[Path, Path], int], ...] = (
    convert_steps,
    convert_requests,
    convert_points,
    convert_lmbenchmark,
)


def main(arguments: list[str]) -> None:
    """Convert all that is known."""
    sources, output = map(Path, arguments)
    for convert in CONVERTERS:
        print(f"{convert.__name__}: {convert(sources, output)} runs")


if __name__ == "__main__":
    main(sys.argv[1:])
