import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.workloads.samples import write
from weft.contracts.errors import WeftError
from weft.workloads.errors import TraceError
from weft.workloads.reading.json_array import _CHUNK_CHARACTERS
from weft.workloads.reading.row import Row
from weft.workloads.reading.row_files import read_rows
from weft.workloads.registry import find_workload
from weft.workloads.sessions import Session


def values(path: Path) -> list[dict[str, object]]:
    return [dict(row.values) for row in read_rows(path)]


def test_the_same_rows_from_every_kind_of_file(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "ü"}]
    lines = [json.dumps(row) for row in rows]
    files = [
        write(tmp_path / "t.jsonl", lines[0], "", lines[1]),
        write(tmp_path / "t.json", "[" + lines[0] + " ,", lines[1] + " ]"),
    ]
    files.append(tmp_path / "t.jsonl.gz")
    files[-1].write_bytes(gzip.compress(files[0].read_bytes()))
    assert [values(file) for file in files] == [rows] * 3
    plain = write(tmp_path / "T.CSV", "\ufeffa, b", "1,x", "", '2,"ü"')
    assert values(plain) == [{"a": "1", "b": "x"}, {"a": "2", "b": "ü"}]


def test_zstandard(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "t.csv.zst"
    path.write_bytes(zstandard.compress(b"a\n1\n") + zstandard.compress(b"2\n"))
    assert values(path) == [{"a": "1"}, {"a": "2"}]
    path.write_bytes(b"no zstandard")
    with pytest.raises(TraceError, match="cannot be uncompressed"):
        values(path)


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    parquet.write_table(arrow.table({"arrival_s": [0.0, 0.5], "token_ids": [[1, 2], [3]]}), path)
    assert values(path) == [{"arrival_s": 0.0, "token_ids": [1, 2]}, {"arrival_s": 0.5, "token_ids": [3]}]
    path.write_bytes(b"PAR1 or not")
    with pytest.raises(TraceError, match="as Parquet"):
        values(path)


@pytest.mark.parametrize(("name", "module"), [("t.parquet", "pyarrow"), ("t.csv.zst", "zstandard")])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    for loaded in [module, *(key for key in sys.modules if key.startswith(f"{module}."))]:
        monkeypatch.setitem(sys.modules, loaded, None)
    monkeypatch.setitem(sys.modules, f"{module}.parquet", None)
    with pytest.raises(TraceError, match=rf"needs {module}; run pip install 'weft\[traces\]'"):
        values(tmp_path / name)


def test_an_array_is_read_piece_by_piece(tmp_path: Path) -> None:
    rows = [{"a": "x" * (_CHUNK_CHARACTERS // 3), "n": number} for number in range(10)]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(rows))
    assert values(path) == rows
    assert values(write(path, "[]")) == []


BROKEN = [
    ("t.csv", "a,a\n1,2\n", "line 1", "names a column twice"),
    ("t.csv", "a,b\n1,2\n3\n", "line 3", "1 values for the header's 2 columns"),
    ("t.csv", 'a,b\n1,"2', "line 2", "no CSV"),
    ("t.jsonl", '{"a": 1}\n{"a": \n', "line 2", "is no JSON"),
    ("t.jsonl", "[1]\n", "line 1", "is no JSON object"),
    ("t.jsonl", "[" * 100_000 + "\n", "line 1", "is no JSON"),
    ("t.json", '{"a": 1}', "", "does not begin with ["),
    ("t.json", '[{"a": 1} {"a": 2}]', "item 1", "not followed by"),
    ("t.json", '[{"a": 1}, {"a"', "item 2", "is no JSON"),
    ("t.json", '[{"a": 1},', "item 2", "is no JSON"),
    ("t.json", '[{"a": 1}', "item 1", "not followed by"),
    ("t.json", "[3]", "item 1", "is no JSON object"),
    ("t.txt", "a\n", "", ".txt suffix is not one of .csv"),
    ("t.csv.gz", "a\n1\n", "", "cannot be uncompressed"),
]


@pytest.mark.parametrize(("name", "text", "place", "problem"), BROKEN)
def test_what_is_broken_is_named_with_its_place(
    tmp_path: Path, name: str, text: str, place: str, problem: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(TraceError) as caught:
        values(path)
    assert str(caught.value).startswith(f"{path}{f', {place}' if place else ''}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        values(tmp_path / "absent.csv")
    (tmp_path / "t.csv").write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(TraceError, match="not UTF-8"):
        values(tmp_path / "t.csv")


def row(value: object) -> Row:
    return Row(Path("t.csv"), "line 2", {"x": value})


@pytest.mark.parametrize("value", [7, "7", 7.0, "7.0", " 7"])
def test_numbers_in_any_spelling(value: object) -> None:
    assert row(value).tokens("x") == 7
    assert row(value).seconds("x") == 7.0


BAD_NUMBERS: list[Any] = [
    None,
    "",
    "x",
    -1,
    "-1",
    "nan",
    "inf",
    1e300,
    True,
    [],
    {},
    "1e999",
    10**400,
    "9" * 5000,
]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: str(value)[:10])
def test_values_that_are_no_number_are_shown(value: object) -> None:
    for read in (row(value).tokens, row(value).seconds):
        with pytest.raises(TraceError, match=r"t.csv, line 2: column 'x' is .*; it must be ") as caught:
            read("x")
        assert len(str(caught.value)) < 250


def test_other_kinds_of_values() -> None:
    assert (
        row("2023-11-16 18:15:46.5").timestamp_s("x")
        == row("2023-11-16 18:15:46+00:00").timestamp_s("x") + 0.5
    )
    assert row([1, 2]).whole_numbers("x") == (1, 2)
    assert row(3).text("x") == "3"
    assert [one.place for one in row([{"y": 1}]).rows("x")] == ["line 2, x[0]"]
    for read in (
        row("x").timestamp_s,
        row([1.5]).whole_numbers,
        row(None).text,
        row([1]).rows,
        row(1.5).whole,
    ):
        with pytest.raises(TraceError, match="it must be"):
            read("x")
    with pytest.raises(TraceError, match="column 'y' is missing; add it: text"):
        row(1).text("y")


def sessions_or_none(path: Path) -> list[Session]:
    """What a file holds, or nothing where it is refused by an error that names the file."""
    try:
        return list(find_workload(str(path), encode=str.encode).sessions())
    except WeftError as error:
        if str(path) not in str(error):
            raise
        return []


HEADERS = (b"TIMESTAMP,ContextTokens,GeneratedTokens\n", b"Timestamp,Request tokens,Response tokens\n", b"")
STARTS = (
    b'{"timestamp": 0, "input_length": 5, "output_length": 5, "hash_ids": ',
    b'[{"conversations": ',
    b"",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from((".csv", ".jsonl", ".json", ".csv.gz", ".jsonl.zst")),
    st.sampled_from(HEADERS + STARTS),
    st.binary(max_size=200),
)
@example(".csv", b"arrival_s,output_tokens,prompt_tokens\n", b"0,1,1\n0,\x00,1")
@example(".json", b"", b"[" * 5000)
def test_whatever_a_file_holds_the_worst_is_an_error_that_says_so(
    tmp_path: Path, suffix: str, start: bytes, rest: bytes
) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_bytes(gzip.compress(start + rest)[:-3] if suffix.endswith(".gz") else start + rest)
    turns = [turn for session in sessions_or_none(path) for turn in session.turns]
    assert all(turn.prompt.num_tokens >= 1 and turn.output_tokens >= 1 for turn in turns)


FIELD = st.one_of(st.integers(-5, 10**12).map(str), st.floats().map(str), st.text(max_size=8))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=5))
def test_rows_of_odd_values_are_sessions_or_errors(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    lines = [",".join(f'"{field.replace(chr(34), "")}"' for field in fields) for fields in rows]
    path = write(tmp_path / "t.csv", "arrival_s,prompt_tokens,output_tokens", *lines)
    times_s = [session.arrival_s for session in sessions_or_none(path)]
    assert times_s == sorted(times_s)
    assert len(times_s) in (0, len(rows))
