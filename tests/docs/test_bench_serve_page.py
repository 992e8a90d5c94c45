"""docs/benchmarks/serve.md says what `weft bench serve` does."""

from pathlib import Path

from weft.cli.bench_serve import DEFAULT_REQUESTS, command
from weft.measurement.log_histogram import RELATIVE_ERROR
from weft.measurement.serving_notes import LAG_SHARE
from weft.measurement.serving_watch import GROWTH, LEAST_PER_QUARTER

PAGE = (Path(__file__).parents[2] / "docs" / "benchmarks" / "serve.md").read_text(encoding="utf-8")


def test_all_options_are_on_the_page() -> None:
    assert [name for param in command.params for name in param.opts if f"`{name}`" not in PAGE] == []
    assert f"{DEFAULT_REQUESTS} requests where neither is given" in PAGE


def test_the_rules_are_those_of_the_code() -> None:
    assert (GROWTH, LAG_SHARE, LEAST_PER_QUARTER) == (0.1, 0.1, 10)
    assert f"within {100 * RELATIVE_ERROR:.1f} %" in PAGE
