"""What a live card measures of a server."""

import pytest

from weft.measurement.latency_stages import MODEL, Stage
from weft.papers.beyond_inference_overheads import CARD, GRID, LATENCY, THROUGHPUT, measure


def test_stages_are_the_latency() -> None:
    pairs, details = measure(CARD.quick, 0)
    model_s, latency_s = pairs[LATENCY]
    assert sum(details[f"{stage}, ms"] for stage in Stage) == pytest.approx(1e3 * latency_s)
    assert sum(details[f"{stage}, ms"] for stage in MODEL) == pytest.approx(1e3 * model_s)
    assert details[f"{Stage.DECODE}, ms"] > 0.0


def test_a_server_is_slower_than_its_model_alone() -> None:
    pairs, _ = measure(CARD.quick, 0)
    served_per_s, model_per_s = pairs[THROUGHPUT]
    assert 0.0 < served_per_s < model_per_s


def test_the_papers_setting_comes_first() -> None:
    assert (GRID[0].model, GRID[0].output_tokens) == ("weft-tiny", 1)
    assert {size.model for size in GRID} >= {"weft-tiny", "weft-nano"}
