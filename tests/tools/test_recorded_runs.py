"""Others' recordings become runs that can be read."""

import json
from pathlib import Path
from typing import Any

import pyarrow as arrow  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest

from tools.recorded_runs import main
from weft.measurement.validation.reading import find_runs, read_run, read_runs
from weft.measurement.validation.recorded_run import RecordedRun

SHARED = Path(__file__).resolve().parents[3] / "shared/data"


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(rows), path)


def scheduler_step(number: int, start_ns: int, **changes: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "experiment_id": "an experiment",
        "model": "codellama-34b",
        "tp": 2,
        "step.id": number,
        "step.ts_start_ns": start_ns,
        "batch.scheduled_tokens": 12,
        "batch.prefill_tokens": 10,
        "batch.num_prefill_reqs": 1,
        "batch.num_decode_reqs": 2,
        "kv.blocks_total_gpu": 100,
        "kv.blocks_free_gpu": 90,
    }
    return row | changes


def silicon(identity: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": identity,
        "silicon_data_source": "source_file=2026-04-06.csv; silicon_concurrency=16",
        "backend": "vllm",
        "backend_version": "0.12.0",
        "model_path": "meta-llama/Llama-3.1-70B",
        "system": "h200_sxm",
        "precision": "fp8",
        "mode": "agg",
        "isl": 1024,
        "osl": 512,
        "batch_size": 4.0,
        "tp_size": 8.0,
        "attention_dp_size": 1.0,
        "moe_tp_size": 8.0,
        "moe_ep_size": 1.0,
        "silicon_ttft_ms": 100.0,
        "silicon_tpot_ms": 10.0,
    }
    return row | changes


def benchmark_request(setup: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "setup": setup,
        "workload": "sharegpt",
        "qps": 1.17,
        "arrival_s": 3.0,
        "prompt_tokens": 12.0,
        "generation_tokens": 5.0,
        "ttft": 0.5,
        "e2e_s": 0.75,
    }
    return row | changes


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, RecordedRun]:
    sources, output = tmp_path / "sources", tmp_path / "output"
    steps = [scheduler_step(number, 10_000_000 * number) for number in (5, 6, 9, 10)]
    write_table(sources / "groundtruth/inference_sim_h100/steps.parquet", steps[::-1])
    folder = sources / "groundtruth/llmservingsim_bench"
    request: dict[str, Any] = {"setup": "RTX4090/Llama", "input_toks": 10, "output_toks": 3, "queued_ts": 2.0}
    write_table(folder / "requests.parquet", [request | {"first_token_ts": 2.5, "last_token_ts": 4.0}])
    engine: dict[str, Any] = {
        "data_parallel_size": 1,
        "tensor_parallel_size": 1,
        "enable_expert_parallel": False,
    }
    engine |= {"dtype": "bfloat16", "max_num_seqs": 64, "max_num_batched_tokens": 1024}
    setup: dict[str, Any] = {
        "model": "meta-llama/Llama-3.1-8B",
        "vllm_version": "0.19.0",
        "engine_kwargs": engine,
    }
    setup |= {"kv_cache": {"num_gpu_blocks": 77}}
    (folder / "meta.json").write_text(json.dumps({"RTX4090/Llama": setup}))
    rows = [
        silicon("llama_c16_tp4_ep1_3"),
        silicon(
            "mini_c8_tp4_0_ep4_1",
            model_path="MiniMaxAI/MiniMax-M2.5",
            attention_dp_size=4.0,
            moe_ep_size=16.0,
        ),
        silicon("kimi_c8", model_path="moonshotai/Kimi-K2.5", silicon_data_source="source_file=a.csv"),
        silicon("apart", mode="disagg"),
        silicon("no_batch", batch_size=None),
    ]
    write_table(sources / "profiles/aiconfigurator/silicon_sample.parquet", rows)
    write_table(
        sources / "groundtruth/llmd_lmbenchmark/requests.parquet",
        [
            benchmark_request("exp-3/H100/vllm-llama-3-70b-2replicas-H100"),
            benchmark_request("exp-3/H100/vllm-llama-3-70b-2replicas-H100", qps=40.0),
            benchmark_request("llama8B-long/llm-d"),
            benchmark_request("exp-4/vllm-llama4-tp4"),
        ],
    )
    main([str(sources), str(output)])
    return {run.name: run for run in read_runs(output)}


def test_a_step_lasts_until_the_next_one_begins(runs: dict[str, RecordedRun]) -> None:
    (run,) = (run for run in runs.values() if run.steps)
    assert [step.start_s for step in run.steps] == [0.05, 0.09]
    assert [step.duration_s for step in run.steps] == pytest.approx([0.01, 0.01])
    assert run.steps[0].context_tokens == 160
    assert (run.facts.tp, run.facts.kv_blocks) == (2, 100)


def test_latencies_count_from_the_queue(runs: dict[str, RecordedRun]) -> None:
    run = runs["llmservingsim/RTX4090-Llama"]
    assert run.requests[0][:5] == (2.0, 10, 3, 0.5, 2.0)
    assert (run.facts.hardware, run.facts.kv_blocks, run.facts.max_num_seqs) == ("rtx-4090", 77, 64)


def test_points_are_cut_as_their_ids_say(runs: dict[str, RecordedRun]) -> None:
    points = {run.facts.model.rpartition("/")[2]: run for run in runs.values() if run.points}
    llama, mini, kimi = points["Llama-3.1-70B"], points["MiniMax-M2.5"], points["Kimi-K2.5"]
    assert (llama.facts.tp, llama.facts.dp, llama.facts.ep) == (4, 1, 1)
    assert (mini.facts.tp, mini.facts.dp, mini.facts.ep) == (1, 4, 4)
    assert llama.points[0] == (1024, 512, 16, 0.1, 0.01)
    assert (llama.facts.least_length_share, kimi.facts.least_length_share) == (0.8, 1.0)
    assert kimi.points[0].concurrency == 8
    assert (llama.facts.server, kimi.facts.server) == ("vllm", "vllm-sync")
    assert [name.split("/")[1] for name in (llama.name, mini.name, kimi.name)] == [
        "graded",
        "graded",
        "reported",
    ]


def test_rates_of_a_benchmark_are_runs_apart(runs: dict[str, RecordedRun]) -> None:
    found = {name.removeprefix("lmbenchmark/"): run for name, run in runs.items() if "lmbenchmark" in name}
    assert set(found) == {
        "exp-3/H100/vllm-llama-3-70b-2replicas-H100/sharegpt-1.17",
        "exp-3/H100/vllm-llama-3-70b-2replicas-H100/sharegpt-40",
        "llama8B-long/llm-d/sharegpt-1.17",
    }
    assert found["llama8B-long/llm-d/sharegpt-1.17"].requests[0][:5] == (3.0, 12, 5, 0.5, 0.75)


def test_what_a_benchmark_does_not_record_is_noted(runs: dict[str, RecordedRun]) -> None:
    large = runs["lmbenchmark/exp-3/H100/vllm-llama-3-70b-2replicas-H100/sharegpt-40"].facts
    small = runs["lmbenchmark/llama8B-long/llm-d/sharegpt-1.17"].facts
    assert (large.model, large.tp, large.dp) == ("meta-llama/Llama-3.1-70B", 2, 2)
    assert (small.model, small.tp, small.dp) == ("meta-llama/Llama-3.1-8B", 1, 1)
    assert "device is not named" in small.notes
    assert "device is not named" not in large.notes


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
def test_the_real_recordings_are_read_whole(tmp_path: Path) -> None:
    main([str(SHARED), str(tmp_path)])
    names = ("inference_sim", "llmservingsim", "silicon/graded")
    found = {name: list(read_runs(tmp_path / name)) for name in names}
    assert sum(len(run.steps) for run in found["inference_sim"]) == 1967
    assert sum(len(run.requests) for run in found["llmservingsim"]) == 1200
    assert sum(len(run.points) for run in found["silicon/graded"]) == 510
    benchmark = find_runs(tmp_path / "lmbenchmark")
    assert len(benchmark) == 425
    assert read_run(benchmark[0], tmp_path).kind == "requests"
