"""The tables in docs/workloads.md say what ships."""

import re
from pathlib import Path
from typing import Any

import pytest

from weft.workloads.checks import MOST_TOKENS
from weft.workloads.fitted import NAMES, description
from weft.workloads.formats import FORMATS
from weft.workloads.registry import find_workload
from weft.workloads.scaling import METHODS

PAGE = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text(encoding="utf-8")
PAIRS = (
    "mean_prompt",
    "mean_output",
    "rank_correlation",
    "gap_cv",
    "dispersion_1s",
    "dispersion_10s",
    "dispersion_60s",
)


def cells(figures: dict[str, Any]) -> list[str]:
    """The figures of one fit as the table has them; a dash where there is none."""
    pairs = (figures.get(key) for key in (*PAIRS, "reuse_share"))
    shown = (" / ".join(f"{value:g}" for value in pair) if pair else "–" for pair in pairs)
    return [f"{figures['ks_prompt']:g}", f"{figures['ks_output']:g}", *shown]


@pytest.mark.parametrize("name", [name for name in NAMES if "published" not in description(name)["fit"]])
def test_the_fit_on_the_page_is_the_fit_that_ships(name: str) -> None:
    assert f"| `{name}` | {' | '.join(cells(description(name)['fit']))} |" in PAGE


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_on_the_page_is_the_rate_that_ships(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |") and " / " not in line]
    assert float(row.split("|")[-2]) == pytest.approx(description(name)["rate_per_s"], rel=0.005)


def test_all_formats_and_methods_are_on_the_page() -> None:
    assert all(f"`{column}`" in PAGE for known in FORMATS for column in known.columns)
    assert all(f"| `{method}`" in PAGE for method in METHODS)
    assert f"from 1 to {MOST_TOKENS}" in PAGE


def test_the_example_holds() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    call = re.search(r"find_workload\((.*)\)", code)
    assert call is not None
    assert call[1] == '"azure-conv", rate_per_s=12.0, seed=1, num_requests=1000'
    sessions = find_workload("azure-conv", rate_per_s=12.0, seed=1, num_requests=1000).sessions()
    assert sum(1 for session in sessions for _ in session.turns) == 1000
