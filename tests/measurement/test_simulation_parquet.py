"""Requests in Parquet: the columns say what the table says."""

import sys
from pathlib import Path

import pytest

import weft
from tests.simulator.simulated_service import MODEL, Listed
from weft.contracts.errors import ConfigurationError
from weft.measurement.simulation_parquet import write_parquet

parquet = pytest.importorskip("pyarrow.parquet")


def test_a_row_for_each_request_of_each_run(tmp_path: Path) -> None:
    found = weft.sweep(
        MODEL, Listed([(0.0, 3000, 5), (1.0, 10, 5)]), {"max_model_len": (2000, 4000), "seed": (7,)}
    )
    path = tmp_path / "requests.parquet"
    write_parquet(path, [(point.at, point.result.requests) for point in found.points])
    rows = parquet.read_table(path).to_pylist()
    assert [row["swept_max_model_len"] for row in rows] == [2000, 2000, 4000, 4000]
    refused, second, *_ = rows
    assert (refused["status"], refused["replica"], refused["first_token_s"]) == ("rejected", None, None)
    assert "no room" in refused["reason"]
    assert (second["status"], second["reason"], second["replica"]) == ("finished", "stop", 0)
    for name, column in found.points[1].result.requests.columns().items():
        if name not in ("status_codes", "reason_codes"):
            assert [row[name] for row in rows[2:]] == list(column)


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'weft\[traces\]'"):
        write_parquet(tmp_path / "x.parquet", [])
