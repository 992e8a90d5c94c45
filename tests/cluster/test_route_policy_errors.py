"""A routing policy that raises or chooses nonsense costs the request that it was asked for, by name, and no other."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.small_cluster import LeastBusy, SmallCluster, play
from tests.engine.small_engine import ask
from weft.contracts.errors import PolicyError
from weft.contracts.events import Status


def failing(*_: object) -> Any:
    raise ValueError("no idea")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (failing, "raised ValueError: no idea"),
        (lambda *_: 2, "chose 2 of 2 replicas"),
        (lambda *_: -1, "chose -1 of 2 replicas"),
        (lambda *_: None, "chose None of 2 replicas"),
        (lambda *_: 0.5, "chose 0.5 of 2 replicas"),
    ],
    ids=["raises", "too many", "negative", "none", "half"],
)
def test_a_policy_that_fails_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Any], problem: str
) -> None:
    usual = LeastBusy.decide

    def decide(self: LeastBusy, request: Any, *view: Any) -> Any:
        return answer() if request.request_id == "odd" else usual(self, request, *view)

    monkeypatch.setattr(LeastBusy, "decide", decide)

    async def scenario(cluster: SmallCluster) -> None:
        before = cluster.ask(ask("before", 4, 6))
        with pytest.raises(PolicyError, match=f"policy 'LeastBusy' \\(request 'odd'\\): {problem}"):
            cluster.ask(ask("odd"))
        after = cluster.ask(ask("after", 4, 6))
        await asyncio.sleep(30.0)
        assert {each.end.status for each in (before, after)} == {Status.FINISHED}
        cluster.check()

    play(scenario)
