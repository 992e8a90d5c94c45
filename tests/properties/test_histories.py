"""Random histories: same text, nothing lost, everybody ends exactly once; and every situation is reached."""

from collections import Counter

import pytest

from tests.properties.worlds import play
from weft.contracts.events import LEGAL_TRANSITIONS, Status
from weft.observation import conditions

NUM_SEEDS = 600
SITUATIONS = (
    "pool:",
    "state:",
    "queue:",
    "door:",
    "engine: a request",
    "fork:",
    "preemption",
    "result:",
    "draft:",
)
"""Prefixes of the conditions that the seeds below must reach; the others need injected faults."""
FROM_ELSEWHERE = (Status.WAITING, Status.FINISHED)
"""Only of outputs that another engine had before; here all are new."""


def test_every_promise_holds_and_every_situation_is_reached() -> None:
    conditions.reset()
    transitions = Counter[object]()
    for seed in range(NUM_SEEDS):
        transitions.update(play(seed).legality.transition_counts)
    unreached = [name for prefix in (*SITUATIONS, "schedule:") for name in conditions.unhit(prefix)]
    assert not unreached
    legal = [(before, after) for before, afters in LEGAL_TRANSITIONS.items() for after in afters]
    assert [pair for pair in legal if not transitions[pair]] == [FROM_ELSEWHERE]


@pytest.mark.parametrize("chunk", range(5))
def test_more_histories(chunk: int) -> None:
    for seed in range(10_000 + 100 * chunk, 10_100 + 100 * chunk):
        play(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("chunk", range(40))
def test_thousands_of_histories(chunk: int) -> None:
    for seed in range(1000 + 100 * chunk, 1100 + 100 * chunk):
        play(seed)
