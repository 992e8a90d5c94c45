"""What a step under way still writes or reads is neither shared nor given back."""

from tests.properties.player import Player
from weft.contracts.events import Transition
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import PagedGroup, StateLayout
from weft.engine.config import EngineConfig
from weft.simulator.fake_model import FakeModelSpec


def player_of(group: PagedGroup, max_step_tokens: int, depth: int) -> Player:
    layout = StateLayout((group,), block_tokens=4)
    config = EngineConfig(
        layout,
        {group.name: 32},
        max_step_tokens=max_step_tokens,
        max_running=4,
    )
    return Player(FakeModelSpec(layout), config, depth)


def test_a_prompt_is_forked_when_its_last_chunk_has_returned() -> None:
    player = player_of(PagedGroup("full", 8), max_step_tokens=8, depth=3)
    player.submit(Request("a", TokenPrompt(tuple(range(20))), SamplingParams(max_tokens=3, n=2)))

    def num_forks() -> int:
        events = player.log.events()
        return sum(isinstance(event, Transition) and event.reason.startswith("forked") for event in events)

    assert [player.plan() for _ in range(3)] == [True] * 3
    forks = []
    for _ in range(3):
        player.execute()
        forks.append(num_forks())
    assert forks == [0, 0, 1]
    player.settle()


def test_a_block_that_leaves_the_window_is_free_when_no_step_reads_it() -> None:
    player = player_of(PagedGroup("local", 8, window_tokens=5), max_step_tokens=8, depth=2)
    player.submit(Request("a", TokenPrompt((1, 2, 3, 4)), SamplingParams(max_tokens=40)))
    (group,) = player.engine._replica.store.groups
    pool = group.pool
    player.plan()
    while player.steps:
        before = pool.num_available
        if player.plan():
            # The block that leaves is still read by the step before: nothing comes back while planning.
            assert pool.num_available == before - len(player.steps[-1].tables)
        player.execute()
    player.settle()
