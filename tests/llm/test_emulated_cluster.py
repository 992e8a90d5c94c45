"""Replicas without a model: outputs have the lengths that they would have had alone, also where a replica is lost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from weft import SamplingParams
from weft.cluster.timing import Timing
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.llm.emulated_cluster import EmulatedClusterLLM
from weft.llm.model_replica import LocalReplicas

MODEL, HARDWARE, OUTPUT_TOKENS = "llama-3.1-8b", "h100", 12.0
TIMING = Timing(heartbeat_s=0.05, lost_after_s=10.0, restart_s=0.05)


def play(scene: Callable[[EmulatedClusterLLM], Awaitable[None]]) -> None:
    async def main() -> None:
        how = MODEL, HARDWARE, LocalReplicas
        async with EmulatedClusterLLM(*how, replicas=2, timing=TIMING, output_tokens=OUTPUT_TOKENS) as llm:
            await llm.start()
            await scene(llm)

    asyncio.run(main())


def test_it_says_what_it_is_and_outputs_end_where_they_would_alone() -> None:
    async def scene(llm: EmulatedClusterLLM) -> None:
        assert (llm.emulates, llm.fingerprint) == ("H100 SXM", "emulated-h100-sxm")
        sampling = SamplingParams(max_tokens=400, n=2)
        answers = await asyncio.gather(*(llm.generate("hello", sampling) for _ in range(6)))
        lengths = [tuple(len(each.token_ids) for each in answer.outputs) for answer in answers]
        assert len(set(lengths)) > 1
        assert all(each.finish_reason == "stop" for answer in answers for each in answer.outputs)
        assert {member.books.num_outstanding for member in llm.members} == {0}

    play(scene)


def test_an_output_goes_on_at_the_other_replica_to_the_same_length() -> None:
    async def scene(llm: EmulatedClusterLLM) -> None:
        assert llm.cluster is not None
        told = 0
        async for chunk in llm.stream("hello", SamplingParams(max_tokens=60, ignore_eos=True)):
            told += len(chunk.token_ids)
            if told == 10:
                (holder,) = [member for member in llm.members if member.requests]
                llm.cluster.went_away(holder.name, holder.incarnation, "this test ends it")
        assert told == 60

    play(scene)


def test_what_only_a_model_can_follow_is_refused_by_a_replica() -> None:
    async def scene(llm: EmulatedClusterLLM) -> None:
        with pytest.raises(InvalidRequest, match="logprobs is 1, which an emulated model cannot follow"):
            await llm.generate("hello", SamplingParams(logprobs=1))

    play(scene)


def test_what_cannot_be_emulated_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="output_tokens is 0; give a finite mean"):
        EmulatedClusterLLM(MODEL, HARDWARE, LocalReplicas, replicas=2, output_tokens=0.0)
    with pytest.raises(ConfigurationError, match="num_threads is 1, and where hardware is emulated"):
        EmulatedClusterLLM(MODEL, HARDWARE, LocalReplicas, replicas=2, num_threads=1)
