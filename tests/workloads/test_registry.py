import pytest

from tests.workloads.samples import first, lengths
from weft.contracts.errors import ConfigurationError
from weft.workloads.errors import WorkloadError
from weft.workloads.fitted import NAMES
from weft.workloads.registry import find_workload


@pytest.mark.parametrize("name", NAMES)
def test_named_workloads(name: str) -> None:
    sessions = list(find_workload(name, rate_per_s=20.0, seed=1, num_requests=100).sessions())
    assert len(lengths(sessions)) == 100
    assert sessions == list(find_workload(name, rate_per_s=20.0, seed=1, num_requests=100).sessions())
    assert first(find_workload(name), 3) == first(find_workload(name, seed=0), 3)


def test_a_duration_ends_the_run() -> None:
    sessions = list(find_workload("azure-conv", duration_s=60.0).sessions())
    assert 100 < len(sessions) < 500
    assert sessions[-1].arrival_s < 60.0


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(WorkloadError, match="'azure_conv' is unknown; did you mean azure-conv"):
        find_workload("azure_conv")
    for name in ("zzz", "no/such/trace.csv", "a\0b", "x" * 5000, ""):
        with pytest.raises(WorkloadError) as caught:
            find_workload(name)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("rate_per_s", [0.0, -3.0, 1e12, float("nan")])
def test_absurd_rates_are_refused_before_anything_is_read(rate_per_s: float) -> None:
    for name in ("azure-conv", "no/such/trace.csv"):
        with pytest.raises(ConfigurationError, match="requests/s"):
            find_workload(name, rate_per_s=rate_per_s)
