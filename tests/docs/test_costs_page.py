"""docs/costs.md: its tables are computed, its example runs and agrees with itself."""

import re
import runpy
from pathlib import Path

import pytest

from weft.contracts.formats import NumberFormat
from weft.contracts.options import ServingOptions
from weft.contracts.state import PagedGroup
from weft.costs.roofline_report import roofline_rows
from weft.costs.servers import SERVERS
from weft.hardware.catalogue import find_cluster
from weft.model_specs.catalogue.find import MODELS, find_model
from weft.model_specs.operations import Formats
from weft.model_specs.quantization import QUANTIZATIONS
from weft.simulator.deployment import plan_deployment
from weft.simulator.deployment_options import DeploymentOptions

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
DEVICES = ("a100", "h100", "h200", "b200", "l4", "l40s", "rtx-4090", "rtx-pro-6000", "mi300x", "cpu")
HEADER = (
    "| device | step | flops per byte | ridge | bound | share of time bound by compute | ms |\n"
    "|---|---|---|---|---|---|---|\n"
)
FORMAT_HEADER = (
    "| device | `--quantization` | `--kv-cache-dtype` | weights per device, GiB | tokens in the cache "
    "| prefill of 2,048, ms | decode of 64 after 1,023, ms |\n"
    "|---|---|---|---|---|---|---|\n"
)
FORMAT_CHOICES = (
    ("h100", None, "auto"),
    ("h100", "fp8", "auto"),
    ("h100", "fp8", "fp8"),
    ("h100", "w4a16", "auto"),
    ("h100", "w4a16", "fp8"),
    ("b200", None, "auto"),
    ("b200", "nvfp4", "fp8"),
)
CONTEXT_HEADER = (
    "| `cp` | devices | tokens in the cache | prompt of 131,072 tokens, s | decode of 1 after it, ms "
    "| decodes of 16 after it, ms |\n"
    "|---|---|---|---|---|---|\n"
)
STARTS = range(0, 131_072, 8192)
STEPS = {"prefill": (2048,), "decode": (1, 64)}


def server_table() -> str:
    rows = (
        f"| `{name}` | {1e3 * server.step_s:.3f} | {1e6 * server.sequence_s:.2f} | {server.slack:.3f} "
        f"| {server.all_reduce_slack:.3f} |\n"
        for name, server in SERVERS.items()
    )
    header = "| server | `step_s`, ms | `sequence_s`, µs | `slack` | `all_reduce_slack` |\n"
    return f"{header}|---|---|---|---|---|\n" + "".join(rows)


def roofline_table() -> str:
    lines = [HEADER]
    rows = roofline_rows(
        find_model("llama-3.1-8b"),
        [find_cluster(name) for name in DEVICES],
        Formats(NumberFormat.BFLOAT16, NumberFormat.BFLOAT16, NumberFormat.BFLOAT16),
        prompt_tokens=STEPS["prefill"],
        batch_sizes=STEPS["decode"],
    )
    for row in rows:
        step = f"prefill of {row.num_tokens:,}" if row.phase == "prefill" else f"decode of {row.num_tokens}"
        figures = f"{row.intensity:.0f} | {row.ridge:.0f} | {row.bound} | {row.compute_share:.0%}"
        lines.append(f"| {row.device} | {step} | {figures} | {1e3 * row.seconds:.2f} |\n")
    return "".join(lines)


def model_table() -> str:
    lines = ["| model | parameters | active per token | state per token |\n|---|---|---|---|\n"]
    for model in MODELS:
        spec = find_model(model.name)
        state = sum(
            group.bytes_per_token
            for group in spec.state_layout(NumberFormat.BFLOAT16).groups
            if isinstance(group, PagedGroup)
        )
        billions = [f"{number / 1e9:.2f} B" for number in (spec.num_parameters, spec.num_active_parameters)]
        lines.append(f"| `{model.name}` | {' | '.join(billions)} | {state / 1024:,.10g} KiB |\n")
    return "".join(lines)


def format_table() -> str:
    lines = [FORMAT_HEADER]
    for hardware, quantization, cache in FORMAT_CHOICES:
        planned = plan_deployment(
            "meta-llama/Llama-3.1-70B",
            DeploymentOptions(
                hardware,
                tp=4,
                quantization=quantization,
                kv_cache_dtype=cache,
                server="none",
                profiles="none",
            ),
        )
        prefill_s = planned.costs.seconds(2048, 1, 0, (0,), [(2048, 0)])
        decode_s = planned.costs.seconds(64, 64, 64, (64 * 1024,))
        figures = f"{planned.memory.weights_bytes / 2**30:.1f} | {16 * planned.memory.num_blocks:,}"
        lines.append(
            f"| {planned.cluster.device.name} | {quantization or '–'} | {cache} | {figures} "
            f"| {1e3 * prefill_s:.2f} | {1e3 * decode_s:.2f} |\n"
        )
    return "".join(lines)


def context_table() -> str:
    lines = [CONTEXT_HEADER]
    for cp in (1, 2, 4, 8):
        planned = plan_deployment(
            "meta-llama/Llama-3.1-405B",
            DeploymentOptions(
                tp=8,
                cp=cp,
                quantization="fp8",
                server="none",
                profiles="none",
                serving=ServingOptions(max_num_batched_tokens=8192),
            ),
        )
        seconds = planned.costs.seconds
        prompt_s = sum(seconds(8192, before == 122_880, 0, (0,), [(8192, before)]) for before in STARTS)
        decodes_ms = [1e3 * seconds(count, count, count, (count * 131_072,)) for count in (1, 16)]
        lines.append(
            f"| {cp} | {planned.num_devices} | {16 * planned.memory.num_blocks:,} | {prompt_s:.2f} "
            f"| {decodes_ms[0]:.2f} | {decodes_ms[1]:.2f} |\n"
        )
    return "".join(lines)


def test_number_formats_cost_what_the_page_says() -> None:
    assert format_table() in PAGE
    assert all(f"`{name}`" in PAGE for name in QUANTIZATIONS)


def test_a_context_on_several_ranks_costs_what_the_page_says() -> None:
    assert context_table() in PAGE


def test_the_models_are_those_of_the_catalogue() -> None:
    assert model_table() in PAGE


def test_the_servers_are_as_the_code_has_them() -> None:
    assert server_table() in PAGE


def test_the_steps_are_where_the_page_says() -> None:
    assert roofline_table() in PAGE


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example)
    found = runpy.run_path(str(script))
    assert found["seconds"] == pytest.approx(found["cost"].seconds, rel=1e-9)
    assert len(found["cost"].stage_seconds) == 2
