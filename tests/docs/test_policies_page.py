"""docs/policies.md lists what ships, and its own policy works as it stands there."""

import re
from pathlib import Path

import pytest

from tests.properties.player import Player
from weft.contracts.events import RequestEnded
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import PagedGroup, StateLayout
from weft.engine.config import EngineConfig
from weft.policies.listing import Description, describe_policies
from weft.simulator.fake_model import FakeModelSpec

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"


def test_the_policy_on_the_page_orders_tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    body = code[code.index("class ") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15
    (tmp_path / "my_policies.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    layout = StateLayout((PagedGroup("kv", 8),))
    config = EngineConfig(
        layout,
        {"kv": 64},
        max_running=1,
        order="my_policies:FewestTokensFirst",
    )
    player = Player(FakeModelSpec(layout), config)
    for name in ("greedy/0", "greedy/1", "greedy/2", "modest/0"):
        tenant = name.split("/")[0]
        player.submit(Request(name, TokenPrompt((1, 2, 3)), SamplingParams(max_tokens=5), tenant=tenant))
    player.settle()
    ends = [event.request_id for event in player.log.events() if isinstance(event, RequestEnded)]
    assert ends == ["greedy/0", "modest/0", "greedy/1", "greedy/2"]


@pytest.mark.parametrize("policy", [each for each in describe_policies() if each.kind != "draft"], ids=str)
def test_every_policy_is_in_the_table_of_its_kind_with_its_knobs(policy: Description) -> None:
    flag = "router" if policy.kind == "route" else policy.kind
    section = PAGE.read_text().split(f"`--{flag}`")[1].split("\n## ")[0]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{policy.name}`")]
    for knob in policy.knobs:
        shown = knob.name if knob.default is None else f"{knob.name}={knob.default}"
        assert f"`{shown}`" in row
