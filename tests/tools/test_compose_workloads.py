"""What ships is what the tool makes."""

import pytest

from tests.workloads.samples import shared_trace
from tools.compose_workloads import AGENTS, MADE, agents
from weft.workloads.fitted import description, workload_from


@pytest.mark.parametrize("name", MADE)
def test_made_workloads_ship_as_they_are_made(name: str) -> None:
    made = MADE[name]()
    assert description(name) == made
    assert workload_from(made).rate_per_s == pytest.approx(1.0)


def test_the_agents_are_those_of_the_trace() -> None:
    pytest.importorskip("zstandard")
    assert agents(shared_trace(AGENTS)) == description("agents")
