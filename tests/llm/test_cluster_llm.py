"""A model behind several replicas answers as it does alone, also while replicas are lost."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.llm.tiny_model import make_model
from weft.cluster.member import Phase
from weft.cluster.timing import Timing
from weft.contracts.constraints import Constraint
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.requests import SamplingParams
from weft.llm.async_llm import AsyncLLM
from weft.llm.cluster_llm import ClusterLLM
from weft.llm.model_replica import LocalReplicas
from weft.policies.choices import PolicyChoices
from weft.policies.fcfs import Fcfs
from weft.server.app import make_app
from weft.server.state import ServerSettings, ServerState

OPTIONS: dict[str, Any] = {"device": "cpu", "num_threads": 1, "max_num_seqs": 8}
TIMING = Timing(heartbeat_s=0.05, lost_after_s=10.0, restart_s=0.05)
LONG = SamplingParams(max_tokens=60, temperature=1.0, seed=3, ignore_eos=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


def play(scene: Callable[[ClusterLLM], Awaitable[None]], model: Path, replicas: int = 2) -> None:
    async def main() -> None:
        llm = ClusterLLM(model, LocalReplicas, replicas=replicas, timing=TIMING, **OPTIONS)
        async with llm:
            await llm.start()
            await scene(llm)

    asyncio.run(main())


def alone(model: Path, sampling: SamplingParams, prompt: str) -> tuple[tuple[int, ...], ...]:
    async def main() -> tuple[tuple[int, ...], ...]:
        async with AsyncLLM(model, **OPTIONS) as llm:
            return tuple(output.token_ids for output in (await llm.generate(prompt, sampling)).outputs)

    return asyncio.run(main())


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(max_tokens=12, temperature=0.0, ignore_eos=True),
        SamplingParams(max_tokens=12, temperature=1.0, seed=7, n=3, logprobs=2, ignore_eos=True),
        SamplingParams(max_tokens=12, beam_width=3),
    ],
)
def test_answers_are_those_of_the_model_alone(model: Path, sampling: SamplingParams) -> None:
    expected = alone(model, sampling, "the quick brown")

    async def scene(llm: ClusterLLM) -> None:
        answers = await asyncio.gather(*(llm.generate("the quick brown", sampling) for _ in range(4)))
        for answer in answers:
            assert tuple(output.token_ids for output in answer.outputs) == expected
        assert sum(member.books.num_outstanding for member in llm.members) == 0

    play(scene, model)


def test_a_stream_goes_on_when_its_replica_is_lost(model: Path) -> None:
    (expected,) = alone(model, LONG, "the quick brown")

    async def stream(llm: ClusterLLM, at: dict[int, Callable[[], None]]) -> tuple[int, ...]:
        told: list[int] = []
        async for chunk in llm.stream("the quick brown", LONG):
            told += chunk.token_ids
            for count in [each for each in at if each <= len(told)]:
                at.pop(count)()
        return tuple(told)

    async def scene(llm: ClusterLLM) -> None:
        def lose(number: int) -> None:
            assert llm.cluster is not None
            member = llm.members[number]
            llm.cluster.went_away(member.name, member.incarnation, "lost by a test")

        losses: dict[int, Callable[[], None]] = {10: partial(lose, 0), 25: partial(lose, 1)}
        streams = [stream(llm, losses if number == 0 else {}) for number in range(3)]
        assert await asyncio.gather(*streams) == [expected] * 3
        for _ in range(400):
            await asyncio.sleep(0.05)
            if all(member.phase is Phase.UP for member in llm.members):
                break
        assert [member.num_losses for member in llm.members] == [1, 1]
        assert (await stream(llm, {})) == expected

    play(scene, model)


def test_replicas_are_restarted_one_after_the_other_under_streams(model: Path) -> None:
    (expected,) = alone(model, LONG, "the quick brown")

    async def scene(llm: ClusterLLM) -> None:
        before = [member.incarnation for member in llm.members]
        llm.restart_replicas()
        llm.restart_replicas()
        for _ in range(400):
            answer = await llm.generate("the quick brown", LONG)
            assert answer.outputs[0].token_ids == expected
            if [member.incarnation for member in llm.members] == [count + 1 for count in before]:
                break
        assert [member.incarnation - count for member, count in zip(llm.members, before, strict=True)] == [
            1,
            1,
        ]
        assert [member.num_losses for member in llm.members] == [0, 0]

    play(scene, model)


def test_constraints_are_enforced_by_the_replicas(model: Path) -> None:
    digits = SamplingParams(max_tokens=8, temperature=1.0, seed=1, constraint=Constraint("regex", "[ab]{3}"))

    async def scene(llm: ClusterLLM) -> None:
        answer = await llm.generate("the", digits)
        assert len(answer.outputs[0].text) == 3
        assert set(answer.outputs[0].text) <= {"a", "b"}
        broken = SamplingParams(max_tokens=8, constraint=Constraint("regex", "["))
        with pytest.raises(InvalidRequest):
            await llm.generate("the", broken)

    play(scene, model)


def test_vectors_come_through(model: Path) -> None:
    async def main() -> list[float]:
        async with AsyncLLM(model, **OPTIONS) as llm:
            return list((await llm.embed("the quick")).embedding)

    expected = asyncio.run(main())

    async def scene(llm: ClusterLLM) -> None:
        assert list((await llm.embed("the quick")).embedding) == expected

    play(scene, model)


def test_the_server_tells_how_its_replicas_are(model: Path) -> None:
    async def scene(llm: ClusterLLM) -> None:
        state = ServerState(ServerSettings(("tiny",)))
        state.model_is_ready(llm)
        transport = httpx.ASGITransport(app=make_app(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            body = {"model": "tiny", "prompt": "the quick", "max_tokens": 5, "ignore_eos": True}
            answer = (await client.post("/v1/completions", json=body)).json()
            assert answer["usage"]["completion_tokens"] == 5
            page = (await client.get("/metrics")).text
            assert 'weft:replica_up{model_name="tiny",replica="replica-1"} 1' in page
            assert 'weft:generation_tokens_total{model_name="tiny"} 5' in page
            assert 'weft:time_to_first_token_seconds_count{model_name="tiny"} 1' in page
            assert (await client.get("/health")).status_code == 200
            for member in llm.members:
                member.phase = Phase.DRAINING
            assert (await client.get("/health")).status_code == 503
            refused = await client.post("/v1/completions", json=body)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert "no replica takes requests" in refused.text

    play(scene, model)


def test_what_cannot_be_is_said_before_anything_is_started(model: Path) -> None:
    with pytest.raises(ConfigurationError, match="replicas is 0"):
        ClusterLLM(model, LocalReplicas, replicas=0)
    with pytest.raises(ConfigurationError, match="no route policy is named 'fastest'"):
        ClusterLLM(model, LocalReplicas, replicas=2, router="fastest")
    with pytest.raises(ConfigurationError, match="cannot be sent to replicas; name it as module:Class"):
        ClusterLLM(model, LocalReplicas, replicas=2, policies=PolicyChoices(order=Fcfs))

    async def unstarted() -> None:
        with pytest.raises(ConfigurationError, match="await start"):
            await ClusterLLM(model, LocalReplicas, replicas=2, **OPTIONS).generate("the")

    asyncio.run(unstarted())


def test_replicas_that_cannot_be_loaded_keep_it_from_starting(tmp_path: Path) -> None:
    async def main() -> None:
        directory = make_model(tmp_path / "tiny")
        llm = ClusterLLM(directory, LocalReplicas, replicas=2, timing=TIMING, **OPTIONS)
        (directory / "model.safetensors").unlink()
        async with llm:
            with pytest.raises(ConfigurationError, match="was lost 3 times; the last time"):
                await llm.start()

    asyncio.run(main())
