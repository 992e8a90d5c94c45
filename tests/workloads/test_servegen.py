from pathlib import Path

import pytest

from tests.workloads.samples import first, lengths, write
from weft.contracts.errors import ConfigurationError
from weft.workloads.errors import TraceError, WorkloadError
from weft.workloads.registry import find_workload
from weft.workloads.servegen import ServeGenWorkload

ARRIVALS = "model,client,window_start_s,rate_rps,cv,pattern,param1,param2"
LENGTHS = "model,client,window_start_s,field,mean,n_support,q0,q50,q100"


def directory(tmp_path: Path, *more_arrivals: str) -> Path:
    write(
        tmp_path / "arrival_windows.csv",
        ARRIVALS,
        "small,0,600,4.0,1,Gamma,1.0,0.25",
        "small,0,1200,2.0,1,Gamma,1.0,0.5",
        "small,3,600,1.0,2,Weibull,0.6,1.0",
        "small,9,600,50.0,1,Gamma,1.0,0.02",
        "large,0,600,1.0,1,Gamma,1.0,1.0",
        *more_arrivals,
    )
    write(
        tmp_path / "length_quantiles.csv",
        LENGTHS,
        "small,0,0,input_tokens,15,10,10,15,20",
        "small,0,0,output_tokens,5,10,4,5,6",
        "small,0,1200,input_tokens,150,10,100,150,200",
        "small,0,1200,output_tokens,5,10,4,5,6",
        "small,3,0,input_tokens,1000,10,1000,1000,1000",
        "small,3,0,output_tokens,1,10,1,1,1",
    )
    return tmp_path


def test_the_load_is_the_sum_of_the_clients(tmp_path: Path) -> None:
    workload = ServeGenWorkload(directory(tmp_path), "small", seed=1)
    assert workload.rate_per_s == pytest.approx(3.5)
    sessions = list(workload.sessions())
    assert len(sessions) == pytest.approx(600 * 7, rel=0.06)
    assert [session.number for session in sessions] == list(range(len(sessions)))
    assert [one.arrival_s for one in sessions] == sorted(one.arrival_s for one in sessions)
    early = [one for one in sessions if one.arrival_s < 600.0 and one.client.tenant == "client-0"]
    late = [one for one in sessions if one.arrival_s >= 600.0]
    assert len(early) / len(late) == pytest.approx(2.0, rel=0.15)
    assert {one.client.tenant for one in sessions} == {"client-0", "client-3"}
    assert max(prompt for prompt, _ in lengths(early)) <= 20
    assert min(prompt for prompt, _ in lengths(late)) >= 100


def test_the_rate_of_all_clients_can_be_changed(tmp_path: Path) -> None:
    path = directory(tmp_path)
    workload = find_workload(f"{path}:small", rate_per_s=35.0, duration_s=600.0)
    assert len(list(workload.sessions())) == pytest.approx(600 * 50, rel=0.06)
    assert first(workload, 50) == first(workload, 50)
    assert first(workload, 50) != first(find_workload(f"{path}:small", 35.0, seed=1), 50)
    with pytest.raises(ConfigurationError, match="requests/s"):
        ServeGenWorkload(path, "small").at_rate(1e9)


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = directory(tmp_path)
    with pytest.raises(
        WorkloadError, match="no client of model 'tiny' has rates and lengths; it has small, large"
    ):
        find_workload(f"{path}:tiny")
    with pytest.raises(WorkloadError, match="DIRECTORY:MODEL"):
        find_workload(str(path))
    for row, problem in (
        ("small,0,1800,0,1,Gamma,1.0,1", "'rate_rps' is '0'"),
        ("small,0,1800,1,1,Pareto,1.0,1", "'pattern' is 'Pareto'; it must be Gamma or Weibull"),
    ):
        with pytest.raises(TraceError, match=f"line 7: column {problem}"):
            ServeGenWorkload(directory(tmp_path, row), "small")
    (tmp_path / "length_quantiles.csv").unlink()
    with pytest.raises(TraceError, match="no table length_quantiles"):
        ServeGenWorkload(tmp_path, "small")
