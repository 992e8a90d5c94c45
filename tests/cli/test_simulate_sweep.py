"""`weft simulate --sweep`, and the files that `weft simulate` writes."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.cli.running import end, start
from weft.cli.main import main
from weft.cli.simulate import command
from weft.cli.simulate_sweep import job_count, points_bar, read_sweeps
from weft.measurement.sweep_plan import Span, Values

MODEL = ("--model", "meta-llama/Llama-3.1-8B")


def run(*arguments: str) -> str:
    outcome = CliRunner().invoke(command, [*MODEL, *arguments], catch_exceptions=False)
    assert outcome.exit_code == 0
    return outcome.output


def read(*texts: str) -> dict[str, Values]:
    """What the texts of `--sweep` mean."""
    return read_sweeps(texts, click.Context(command))


def test_forms_of_a_sweep() -> None:
    assert read("rate=1:40") == {"rate": Span(1.0, 40.0, 8)}
    assert read("rate=1:40:3") == {"rate": Span(1.0, 40.0, 3)}
    assert read("replicas=1:3", "--duration=60, 70") == {"replicas": Span(1, 3), "duration_s": [60.0, 70.0]}
    assert read("max_num_seqs=1,8") == read("max-num-seqs=1,8") == {"max_num_seqs": [1, 8]}
    assert read("kv-cache-memory=4GiB") == {"kv_cache_memory_bytes": [4 << 30]}


def test_a_sweep_is_a_table_and_files(tmp_path: Path) -> None:
    names = ("json", "html", "parquet")
    files = [part for name in names for part in (f"--{name}", str(tmp_path / name))]
    shown = run("--sweep", "rate=5,50", "--sweep", "replicas=1,2", "--requests", "20", *files)
    lines = shown.splitlines()
    assert lines[0].split()[:2] == ["rate", "replicas"]
    assert [line.split()[:2] for line in lines[2:6]] == [["5", "1"], ["5", "2"], ["50", "1"], ["50", "2"]]
    assert "(80 % of what was measured)" in lines[6]
    written = json.loads((tmp_path / "json").read_text())
    assert [point["at"] for point in written["points"]][1] == {"rate": 5.0, "replicas": 2}
    assert all(point["completed"] == 20 for point in written["points"])
    assert (tmp_path / "html").read_text().startswith("<!DOCTYPE html>")
    rows = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "parquet").to_pylist()
    assert len(rows) == 80
    assert {row["swept_replicas"] for row in rows} == {1.0, 2.0}


def test_one_run_writes_a_page_and_its_requests(tmp_path: Path) -> None:
    page, rows = tmp_path / "page.html", tmp_path / "rows.parquet"
    run("--rate", "12", "--requests", "20", "--html", str(page), "--parquet", str(rows))
    text = page.read_text()
    assert "Successful requests:                     20" in text
    assert '<th scope="row">hardware</th><td>1 x 1 H100 SXM' in text
    assert '<th scope="row">rate</th><td>12.0</td>' in text
    assert pytest.importorskip("pyarrow.parquet").read_table(rows).num_rows == 20


def flags_of(parts: list[str]) -> list[str]:
    """What stands before the first flag is swept."""
    is_flag = [part.startswith("-") for part in parts]
    end = is_flag.index(True) if any(is_flag) else len(parts)
    return [text for part in parts[:end] for text in ("--sweep", part)] + parts[end:]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (["foo=1:2"], "there is no numeric flag --foo; choose from rate, requests, duration"),
        (["rat=1,2"], "did you mean rate?"),
        (["model=1,2"], "no numeric flag --model"),
        (["jobs=1,2"], "no numeric flag --jobs"),
        (["rate=5:1"], "the range is 5:1; give the lower end first"),
        (["rate=0:4"], "the rate is 0.0 requests/s; choose one from"),
        (["rate=nan"], "rate is nan; give finite numbers"),
        (["rate=nan:4"], "give two finite numbers"),
        (["rate=1:inf"], "give two finite numbers"),
        (["rate="], "write NAME=LOW:HIGH"),
        (["rate"], "write NAME=LOW:HIGH"),
        ([""], "write NAME=LOW:HIGH"),
        (["rate=1,,2"], "'' is not a valid float; give what --rate takes"),
        (["rate=1:2:3:4"], "at most two colons"),
        (["rate=1:2:x"], "the number of points is 'x'; give a whole number"),
        (["rate=1:2:100000"], "give 2 to 1000"),
        (["rate=1:2:1000", "seed=1:9"], "8,000 points, at most 1,000"),
        (["replicas=1.5"], "give what --replicas takes"),
        (["replicas=0"], "0 is not in the range x>=1"),
        (["kv-cache-memory=4GB"], "'4GB' is not a size"),
        (["rate=1", "rate=2"], "--sweep names rate twice"),
        (["tp=1,3"], "tp=3: tp is 3; it must divide"),
        (["seed=1", "--seed", "2"], "--seed is given and swept over"),
        (["rate=1:2", "--requests", "5"], "give a duration instead"),
        (["rate=1:2", "--duration", "5"], "the knee needs 600 s"),
        (["rate=1,2", "--trace", "t.json"], "--trace is of one run"),
        (["rate=1,2", "-j", "0"], "-j is '0'; give a number of processes from 1, or auto"),
        (["rate=1,2", "-j", "all"], "-j is 'all'"),
        (["rate=1,2", "--workload", "azure-cov"], "did you mean azure-conv?"),
        (["rate=1,2", "--html", "/no/such/place"], "--html: there is no directory"),
    ],
)
def test_a_mistake_is_one_line(sweep: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = [
        part
        for each in sweep
        for part in (("--sweep", each) if "=" in each or each in ("", "rate") else (each,))
    ]
    with pytest.raises(SystemExit) as ending:
        main(["simulate", *MODEL, *values])
    assert ending.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_processes_without_a_sweep_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", *MODEL, "-j", "2"])
    assert "-j is for the runs of a sweep" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page").symlink_to(tmp_path / "nowhere" / "page")
    with pytest.raises(SystemExit):
        main(["simulate", *MODEL, "--requests", "3", "--html", str(tmp_path / "page")])
    seen = capsys.readouterr()
    assert "Successful requests:                     3" in seen.out
    assert "page cannot be written (No such file or directory); give another file" in seen.err


def test_parquet_without_pyarrow_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SystemExit):
        main(["simulate", *MODEL, "--requests", "3", "--parquet", "x.parquet"])
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "pip install 'weft[traces]'" in seen.err


def test_auto_is_at_least_one_process() -> None:
    assert 1 <= job_count("auto") <= len(os.sched_getaffinity(0))


def test_progress_is_told_of_every_point() -> None:
    with points_bar() as tell:
        for number in range(1, 4):
            tell(number, 3)


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for(happened: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 30.0
    while not (seen := happened()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return seen


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to see processes")
def test_ctrl_c_ends_all_processes_without_a_word() -> None:
    process = start("simulate", *MODEL, "--sweep", "rate=200,300", "--duration", "3000", "-j", "2")
    assert wait_for(lambda: len(children(process.pid)) == 3)  # two, and Python's tracker of what they share
    begun = children(process.pid)
    time.sleep(0.5)  # until they simulate
    process.send_signal(signal.SIGINT)
    code, out, err = end(process)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in begun))
