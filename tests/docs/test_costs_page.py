"""docs/costs.md: its tables are computed, its example runs and agrees with itself."""

import re
import runpy
from pathlib import Path

import pytest

from weft.contracts.formats import NumberFormat
from weft.contracts.state import PagedGroup
from weft.costs.host_overhead import HOST_OVERHEAD_S
from weft.costs.roofline_report import roofline_rows
from weft.hardware.catalogue import find_cluster
from weft.model_specs.catalogue.find import MODELS, find_model
from weft.model_specs.operations import Formats

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
DEVICES = ("a100", "h100", "h200", "b200", "l4", "l40s", "rtx-4090", "rtx-pro-6000", "mi300x", "cpu")
HEADER = (
    "| device | step | flops per byte | ridge | bound | share of time bound by compute | ms |\n"
    "|---|---|---|---|---|---|---|\n"
)
STEPS = {"prefill": (2048,), "decode": (1, 64)}


def host_table() -> str:
    rows = (f"| `{kind}` | {1e3 * seconds:.2f} |\n" for kind, seconds in HOST_OVERHEAD_S.items())
    return "| kind | milliseconds |\n|---|---|\n" + "".join(rows)


def roofline_table() -> str:
    lines = [HEADER]
    rows = roofline_rows(
        find_model("llama-3.1-8b"),
        [find_cluster(name) for name in DEVICES],
        Formats(*[NumberFormat.BFLOAT16] * 3),
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


def test_the_models_are_those_of_the_catalogue() -> None:
    assert model_table() in PAGE


def test_the_hosts_are_as_the_code_has_them() -> None:
    assert host_table() in PAGE


def test_the_steps_are_where_the_page_says() -> None:
    assert roofline_table() in PAGE


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example)
    found = runpy.run_path(str(script))
    assert found["seconds"] == pytest.approx(found["cost"].seconds, rel=1e-9)
    assert len(found["cost"].stage_seconds) == 2
