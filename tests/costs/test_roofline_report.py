"""Prefill and decode on rooflines."""

import pytest

from tests.costs.planned_models import HALF
from weft.costs.roofline_report import roofline_rows
from weft.hardware.catalogue import find_cluster
from weft.model_specs.catalogue.find import find_model

ROWS = roofline_rows(find_model("llama-3.1-8b"), [find_cluster("h100"), find_cluster("l4")], HALF)


def test_every_device_has_every_step() -> None:
    assert [row.device for row in ROWS] == ["H100 SXM"] * 7 + ["L4"] * 7
    assert [(row.phase, row.num_tokens) for row in ROWS[:7]] == [
        *(("prefill", tokens) for tokens in (512, 2048, 8192)),
        *(("decode", tokens) for tokens in (1, 16, 64, 256)),
    ]


def test_prefill_is_bound_by_compute_and_decode_by_memory() -> None:
    for row in ROWS:
        assert row.bound == ("compute" if row.intensity > row.ridge else "memory")
        assert row.intensity == row.flops / row.moved_bytes
    assert all(row.bound == "compute" for row in ROWS if row.num_tokens >= 2048)
    assert all(row.bound == "memory" for row in ROWS if row.phase == "decode")


def test_the_ridge_is_peak_by_bandwidth() -> None:
    assert ROWS[0].ridge == pytest.approx(989.4e12 / 3350e9)


def test_larger_batches_are_more_intense_and_more_of_their_time_is_compute() -> None:
    decodes = ROWS[3:7]
    assert [row.intensity for row in decodes] == sorted(row.intensity for row in decodes)
    assert decodes[0].compute_share == 0.0
    assert all(0.0 <= row.compute_share <= 1.0 for row in ROWS)
    assert ROWS[2].compute_share > 0.8
