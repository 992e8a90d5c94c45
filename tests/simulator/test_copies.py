"""Replicas that share one set of experts."""

import pytest

from weft.contracts.errors import ConfigurationError
from weft.simulator.deployment import plan_deployment
from weft.simulator.deployment_options import DeploymentOptions

MODEL = "Qwen/Qwen3-30B-A3B"


def test_a_group_has_its_experts_once() -> None:
    alone, together = (plan_deployment(MODEL, DeploymentOptions(replicas=4, dp=dp, ep=dp)) for dp in (1, 2))
    assert alone.num_devices == together.num_devices == 4
    assert together.memory.weights_bytes < 0.6 * alone.memory.weights_bytes
    assert together.plan.num_devices == 2


def test_counts_are_of_all_devices() -> None:
    options = DeploymentOptions(hardware="4xh100", replicas=4, dp=4, ep=4)
    assert plan_deployment(MODEL, options).num_devices == 4
    with pytest.raises(ConfigurationError, match="8 replicas of 1 devices"):
        plan_deployment(MODEL, DeploymentOptions(hardware="4xh100", replicas=8, dp=4, ep=4))


@pytest.mark.parametrize("dp", [0, 3])
def test_groups_are_whole(dp: int) -> None:
    with pytest.raises(ConfigurationError, match=f"dp is {dp}; it must divide the number of replicas"):
        DeploymentOptions(replicas=4, dp=dp)
