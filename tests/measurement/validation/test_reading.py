"""Recorded runs are read as they are written, and what is wrong with one is said."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.measurement.validation.recorded import FACTS, POINT, REQUEST, STEP, write_run
from weft.measurement.validation.reading import find_runs, read_run, read_runs
from weft.workloads.errors import TraceError

RECORDS: dict[str, dict[str, Any]] = {"requests": REQUEST, "steps": STEP, "points": POINT}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
)


@pytest.mark.parametrize("kind", RECORDS)
def test_what_is_written_is_read(kind: str, tmp_path: Path) -> None:
    write_run(tmp_path, kind, [RECORDS[kind]] * 3, {"tp": 2})
    run = read_run(tmp_path, tmp_path)
    assert run.kind == kind
    assert run.num_records == 3
    assert run.facts.tp == 2
    assert run.facts.max_num_seqs == 256
    first = getattr(run, kind)[0]._asdict()
    assert {name: first[name] for name in RECORDS[kind]} == RECORDS[kind]


def test_hashes_of_prefixes_are_kept(tmp_path: Path) -> None:
    write_run(tmp_path, "requests", [REQUEST | {"prefix_hashes": [7, 8, 9, 1]}], {"block_tokens": 32})
    assert read_run(tmp_path, tmp_path).requests[0].prefix_hashes == (7, 8, 9, 1)


def test_a_directory_of_runs_is_read_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a/inner", "c"):
        write_run(tmp_path / name, "points", [POINT])
    assert [run.name for run in read_runs(tmp_path)] == ["a/inner", "b", "c"]


def test_a_config_may_lie_beside_the_run(tmp_path: Path) -> None:
    write_run(tmp_path, "points", [POINT], {"model": "config.json"})
    (tmp_path / "config.json").write_text("{}")
    assert read_run(tmp_path, tmp_path).facts.model == str(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"modle": "x"}, "key 'modle' is unknown; did you mean 'model'?"),
        ({"tp": 0}, "key 'tp' is 0; it must be a whole number from 1 on"),
        ({"tp": True}, "key 'tp' is True"),
        ({"kv_blocks": "many"}, "key 'kv_blocks' is 'many'"),
        ({"prefix_caching": 1}, "it must be true or false"),
        ({"least_length_share": 1.5}, "above 0 and at most 1"),
        ({"model": ""}, "key 'model' is ''; it must be text"),
    ],
)
def test_wrong_facts_are_named(facts: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_run(tmp_path, "points", [POINT], facts)
    with pytest.raises(TraceError, match=r"run\.json") as caught:
        read_run(tmp_path, tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", '{"server": "vllm"}'])
def test_facts_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    write_run(tmp_path, "points", [POINT])
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(TraceError, match=r"run\.json"):
        read_run(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("requests", {"ttft_s": 0.0}, "'ttft_s' is 0.0; it must be above 0"),
        ("requests", {"e2e_s": 0.05}, "it must be at least ttft_s (0.1)"),
        ("requests", {"prefix_hashes": [1]}, "it must be 7 hashes"),
        ("requests", {"output_tokens": 0}, "'output_tokens' is 0"),
        ("steps", {"prefill_tokens": 5}, "from 1 to prefill_tokens (5), or both 0"),
        ("steps", {"decode_sequences": 0}, "leave empty steps out"),
        ("steps", {"context_tokens": 7}, "at least the tokens of the step (8)"),
        ("points", {"output_tokens": 1}, "'output_tokens' is 1"),
        ("points", {"concurrency": 0}, "'concurrency' is 0"),
    ],
)
def test_wrong_records_are_named_with_their_line(
    kind: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    good = RECORDS[kind]
    write_run(tmp_path, kind, [good, good | changes])
    with pytest.raises(TraceError, match=rf"{kind}\.jsonl, line 2") as caught:
        read_run(tmp_path, tmp_path)
    assert message in str(caught.value)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"there is no run\.json in it"):
        find_runs(tmp_path)
    with pytest.raises(TraceError, match="it is no directory"):
        find_runs(tmp_path / "nowhere")
    write_run(tmp_path, "points", [])
    with pytest.raises(TraceError, match="it has no rows"):
        read_run(tmp_path, tmp_path)
    (tmp_path / "points.jsonl").unlink()
    with pytest.raises(TraceError, match="no records are in it; add one of"):
        read_run(tmp_path, tmp_path)
    for kind in ("points", "steps"):
        write_run(tmp_path, kind, [RECORDS[kind]])
    with pytest.raises(TraceError, match="leave one"):
        read_run(tmp_path, tmp_path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(list(RECORDS)), data=st.data())
def test_no_value_breaks_the_reader(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    record, facts = dict(RECORDS[kind]), dict(FACTS)
    target = data.draw(st.sampled_from([record, facts]))
    target[data.draw(st.sampled_from([*target, "tp", "kv_blocks", "prefix_hashes"]))] = data.draw(VALUES)
    for other in RECORDS:
        (tmp_path / f"{other}.jsonl").unlink(missing_ok=True)
    write_run(tmp_path, kind, [record], facts)
    with suppress(TraceError):
        assert read_run(tmp_path, tmp_path).num_records == 1


@given(st.binary(max_size=60))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_reader(tmp_path: Path, noise: bytes) -> None:
    write_run(tmp_path, "steps", [STEP])
    for name in ("steps.jsonl", "run.json"):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(noise)
        with suppress(TraceError):
            assert read_run(tmp_path, tmp_path).num_records
        (tmp_path / name).write_bytes(before)
    assert json.loads((tmp_path / "run.json").read_text()) == FACTS
