"""Which profile and which server the costs of a deployment rest on."""

from pathlib import Path
from typing import Any

import pytest

import weft
from tests.costs.toy_ratios import Same
from tests.simulator.simulated_service import MODEL, Listed
from weft.contracts.errors import ConfigurationError
from weft.costs.kernel_ratios import KernelRatios
from weft.costs.roofline import MEASURED_ERROR
from weft.costs.servers import SERVERS, ServerConstants
from weft.hardware.cluster import Cluster
from weft.simulator import deployment_costs
from weft.simulator.deployment import plan_deployment
from weft.simulator.deployment_options import DeploymentOptions

ALONE = Listed([(0.0, 500, 50)])


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile of H100 ships, with kernels twice as slow as the roofline; a directory has one three times as slow."""

    def shipped(device_name: str, cluster: Cluster) -> KernelRatios | None:
        assert device_name == cluster.device.name
        return Same(0.0, 2.0, 0.1, "that ships") if device_name == "H100 SXM" else None

    def table(directory: Path, cluster: Cluster) -> KernelRatios:
        if directory != Path("tables"):
            raise ConfigurationError(f"{directory} has nothing of {cluster.device.name}")
        return Same(0.0, 3.0, 0.2, "of a directory")

    monkeypatch.setattr(deployment_costs, "shipped_ratios", shipped)
    monkeypatch.setattr(deployment_costs, "table_ratios", table)
    monkeypatch.setitem(SERVERS, "late", ServerConstants(step_s=1.0, slack=1.5))


@pytest.mark.parametrize(
    ("hardware", "profiles", "profile", "error", "times"),
    [
        ("h100", "auto", "that ships", 0.1, 2.0),
        ("h100", "tables", "of a directory", 0.2, 3.0),
        ("h100", "none", "roofline of H100 SXM", MEASURED_ERROR, 1.0),
        ("mi300x", "auto", "roofline of MI300X", MEASURED_ERROR, 1.0),
    ],
)
def test_the_profile_scales_the_device_and_is_told(
    hardware: str, profiles: str, profile: str, error: float, times: float
) -> None:
    plain, chosen = (
        weft.simulate(MODEL, ALONE, hardware=hardware, profiles=each, server="none")
        for each in ("none", profiles)
    )
    assert chosen.serving.duration_s == pytest.approx(times * plain.serving.duration_s, abs=1e-7)
    assert (chosen.profile, chosen.relative_error, chosen.server) == (profile, error, "none")


def test_the_server_adds_to_each_step_and_slows_its_kernels() -> None:
    free, late = (weft.simulate(MODEL, ALONE, profiles="none", server=name) for name in ("none", "late"))
    assert late.serving.duration_s == pytest.approx(50 * 1.0 + 1.5 * free.serving.duration_s, abs=1e-6)
    assert late.server == "late"


def test_a_draft_model_has_the_profile_and_waits_for_no_host_of_its_own() -> None:
    drafts: dict[str, Any] = {
        "speculative_model": "meta-llama/Llama-3.2-1B",
        "num_speculative_tokens": 2,
        "acceptance_rate": 1.0,
    }
    costs = []
    for profiles, server in (("none", "none"), ("auto", "late")):
        planned = plan_deployment(MODEL, DeploymentOptions(profiles=profiles, server=server, **drafts))
        assert planned.speculation is not None
        costs.append(planned.speculation.costs)
    free, slow = costs
    assert slow.seconds(3, 3, 3, (300,)) == pytest.approx(2.0 * 1.5 * free.seconds(3, 3, 3, (300,)))


def test_a_directory_without_the_device_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="elsewhere has nothing of H100 SXM"):
        plan_deployment(MODEL, DeploymentOptions(profiles="elsewhere"))
