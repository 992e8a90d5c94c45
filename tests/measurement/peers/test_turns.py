"""Peers take turns; who fails is named and the others go on."""

from typing import Any

import pytest

from weft.contracts.errors import ConfigurationError
from weft.measurement.peers.driver_process import PeerFailed
from weft.measurement.peers.peer import PEERS, entrants
from weft.measurement.peers.report import as_json, as_markdown
from weft.measurement.peers.turns import Outcome, Shape, TurnSettings, take_turns

SHAPES = [Shape(1, 512, is_prefill=True), Shape(4, 128, is_prefill=False)]
SETTINGS = TurnSettings(turns=3, steps=2)


class FakePeer:
    """Takes `step_s` for a step; fails from call `fails_at` on. Notes in `calls` who was asked for what."""

    def __init__(self, name: str, step_s: float, calls: list[tuple[str, str]], fails_at: int = 1000) -> None:
        self._name, self._step_s, self._calls, self._left = name, step_s, calls, fails_at
        self.prompts: list[list[int]] = []

    def call(self, method: str, *arguments: Any) -> Any:
        self._calls.append((self._name, method))
        self._left -= 1
        if self._left < 0:
            raise PeerFailed("did not answer for 3 s")
        if method == "prefill":
            self.prompts.append(arguments[0])
            return 0.5
        return [self._step_s] * arguments[0] if method == "steps" else None


def measured(fails_at: int = 1000) -> tuple[Outcome, list[tuple[str, str]], list[FakePeer]]:
    calls: list[tuple[str, str]] = []
    failures: dict[str, str] = {}
    peers = [FakePeer("weft int4", 0.01, calls), FakePeer("slow q4", 0.02, calls, fails_at)]
    loaded = dict(zip(("weft int4", "slow q4"), peers, strict=True))
    turns = take_turns(loaded, SHAPES, SETTINGS, lambda: (4e10, 9e11), lambda _: None, failures)
    return Outcome(turns, {"slow q4": {"slow": "1.2"}}, failures), calls, peers


def test_turns_alternate_and_prompts_do_not_come_again() -> None:
    outcome, calls, peers = measured()
    assert [name for name, method in calls if method == "steps"] == ["weft int4", "slow q4"] * 4
    assert [method for name, method in calls if name == "slow q4"] == ["prefill"] * 4 + ["prepare"] + [
        "steps"
    ] * 4
    assert len({tuple(prompt) for peer in peers for prompt in peer.prompts}) == 8
    assert all(len(prompt) == 512 for prompt in peers[0].prompts)
    assert as_json(outcome)["tokens_per_s"] == {
        "prefill 512": {"weft int4": 1024.0, "slow q4": 1024.0},
        "decode b4": {"weft int4": 400.0, "slow q4": 200.0},
    }
    assert [len(each) for by_name in outcome.turns.values() for each in by_name.values()] == [3, 3, 3, 3]


def test_the_table_has_ratios_probes_and_versions() -> None:
    table = as_markdown(measured()[0])
    assert "| slow q4 | 1,024 | 200 |" in table
    assert "| weft int4 / best peer | 1.00 | 2.00 |" in table
    assert "| reading, GB/s | 40.0–40.0 | 40.0–40.0 |" in table
    assert table.endswith("- slow 1.2")


@pytest.mark.parametrize("fails_at", [0, 2, 5, 7])
def test_who_fails_is_left_out_and_named(fails_at: int) -> None:
    outcome, _, _ = measured(fails_at)
    assert list(outcome.failures) == ["slow q4"]
    assert outcome.failures["slow q4"].endswith(": did not answer for 3 s")
    assert len(outcome.turns["decode b4"]["weft int4"]) == 3
    table = as_markdown(outcome)
    assert "*slow q4* is missing: " in table
    assert "| weft int4 / best peer |" in table


def test_entrants_are_named() -> None:
    assert [each.name for each in entrants(("openvino:bf16", "transformers"))] == [
        "openvino bf16",
        "transformers bfloat16",
    ]
    assert {each.peer.name for each in entrants(())} == set(PEERS)
    for name, problem in (("vino", "choose from weft, openvino"), ("openvino:q4", "choose from int4, int8")):
        with pytest.raises(ConfigurationError, match=problem):
            entrants((name,))
