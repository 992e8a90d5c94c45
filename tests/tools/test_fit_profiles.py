"""Compact fits recover what measurements were made with; what is written can be read again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.costs.profiles.hand_made import gemm
from tools.fit_profiles import agree, error_table, fitted, written
from tools.profile_fits import KNOTS, compact_errors, fit, is_held_out, is_served, summary
from weft.costs.profiles.bench import Measured
from weft.costs.profiles.find import surfaces_of
from weft.costs.profiles.points import Family
from weft.costs.profiles.tables import Tables
from weft.hardware.catalogue import find_cluster

RANKS = (2.0, 4.0, 8.0)
SIZES = tuple(256.0 * 2**power for power in range(22))


def messages(ratio: Callable[[float, float], float]) -> list[Measured]:
    return [
        Measured((ranks, size), 1.0 + size, ratio(ranks, size) * (1.0 + size))
        for ranks in RANKS
        for size in SIZES
    ]


def errors(measured: list[Measured], known: list[Measured]) -> list[float]:
    surface = surfaces_of({"surfaces": {"all": fit(Family.ALL_REDUCE, known)}})["all"]
    return compact_errors(Family.ALL_REDUCE, surface, measured)


def test_a_power_of_size_is_recovered_where_nothing_was_fitted() -> None:
    measured = messages(lambda ranks, size: 0.1 * ranks * size**-0.1)
    known = [each for each in measured if not is_held_out(each)]
    assert len(known) < len(measured)
    assert summary(errors(measured, known)).of_nine_tenths < 0.02


def test_outliers_move_nothing() -> None:
    measured = messages(lambda ranks, size: 0.2)
    spoilt = [
        each._replace(seconds=9.0 * each.seconds) if number % 9 == 4 else each
        for number, each in enumerate(measured * 3)
    ]
    assert summary(errors(measured, spoilt)).median < 0.01


def test_what_was_measured_nowhere_is_what_its_neighbours_are() -> None:
    few = [each for each in messages(lambda ranks, size: 0.4) if each.point[1] < 5000.0]
    surface = surfaces_of({"surfaces": {"all": fit(Family.ALL_REDUCE, few)}})["all"]
    assert surface.at((8.0, 1e9)) == pytest.approx(0.4, rel=0.02)


def test_starts_are_what_the_shortest_took() -> None:
    measured = [Measured((4096.0 * size,), size * 1e-6, 2e-6 + size * 1e-6) for size in (1, 4, 16, 64)]
    assert fit(Family.NORM, measured)["start_s"] == pytest.approx(2e-6)


def test_a_fifth_is_held_out_whatever_the_seconds() -> None:
    measured = [Measured((float(place), 7.0), 1.0, 1.0) for place in range(2000)]
    share = sum(map(is_held_out, measured)) / 2000
    assert share == pytest.approx(0.2, abs=0.04)
    assert all(is_held_out(each) == is_held_out(each._replace(seconds=5.0)) for each in measured[:50])


def test_knots_grow_and_sizes_that_nobody_serves_are_left_out() -> None:
    for family, axes in KNOTS.items():
        assert all(list(places) == sorted(set(places)) for places in axes.values())
        assert len(axes) >= len(family.coordinates) - 2
    assert not is_served(Family.PRODUCT, Measured((32.0, 4096.0, 1.0), 1.0, 1.0))
    assert is_served(Family.PRODUCT, Measured((256.0, 4096.0, 1.0), 1.0, 1.0))


def test_a_profile_is_written_as_it_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    rows = (
        (m, n, k, 1e-3 * (4 + m * n * k * 1e-8))
        for m in (1, 64, 512)
        for n in (512, 2048)
        for k in (512, 4096)
    )
    gemm(tmp_path / "aiconfigurator", *rows)
    data = fitted(Tables(tmp_path, find_cluster("h100")))
    assert json.loads(written(data)) == data
    assert list(data["surfaces"]) == ["product bfloat16"]
    assert data["profile"].startswith("vLLM 0.24.0 kernels on H100 SXM (ai-dynamo/aiconfigurator)")
    (citation,) = data["sources"]
    assert data["sources"][citation] == ["aiconfigurator/h100_sxm/gemm/vllm/0.24.0/gemm_perf.parquet"]
    assert data["surfaces"]["product bfloat16"]["measured"] == 12


def test_agreement_is_within_the_last_digits() -> None:
    one = {"a": [1.0, 2.0], "b": "text"}
    assert agree(one, {"a": [1.01, 2.0], "b": "text"})
    assert not agree(one, {"a": [1.1, 2.0], "b": "text"})
    assert not agree(one, {"a": [1.0], "b": "text"})
    assert not agree(one, {"a": [1.0, 2.0], "b": "other"})
    assert not agree(one, {"a": [1.0, 2.0]})


def test_errors_are_without_sign() -> None:
    found = summary([-0.3, 0.1, -0.2, 0.0])
    assert list(found) == pytest.approx([4, 0.15, 0.2, 0.3])


def test_the_page_has_the_table_of_what_ships() -> None:
    page = Path(__file__).parents[2] / "docs" / "profiles.md"
    assert error_table() in page.read_text(encoding="utf-8"), "tools/fit_profiles.py --table prints it"
