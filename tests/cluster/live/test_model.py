"""The built-in draft model in processes of its own, one of which is killed in the middle of streams."""

import asyncio
import os
import signal
from typing import Any

from tests.cluster.live.live_cluster import until
from weft.cluster.processes import Processes
from weft.cluster.timing import Timing
from weft.contracts.requests import SamplingParams
from weft.llm.async_llm import AsyncLLM
from weft.llm.cluster_llm import ClusterLLM
from weft.llm.model_path import resolve_model
from weft.llm.process_replicas import process_replicas
from weft.llm.replica_plan import ReplicaPlan

OPTIONS: dict[str, Any] = {"device": "cpu", "num_threads": 1, "max_num_seqs": 8, "max_model_len": 256}
SAMPLING = SamplingParams(max_tokens=120, temperature=1.0, seed=5, ignore_eos=True)
PROMPTS = ("Once upon a time", "The little dog", "What is 2 + 3?", "A story about rain")
PATIENT = Timing(lost_after_s=30.0)


def test_streams_of_a_killed_process_go_on_to_the_same_tokens() -> None:
    directory = resolve_model("weft-nano")

    async def alone() -> list[tuple[int, ...]]:
        async with AsyncLLM(directory, **OPTIONS) as llm:
            answers = await asyncio.gather(*(llm.generate(prompt, SAMPLING) for prompt in PROMPTS))
        return [answer.outputs[0].token_ids for answer in answers]

    async def killed() -> tuple[list[tuple[int, ...]], list[int]]:
        backends: list[Processes] = []

        def make_backend(plan: ReplicaPlan, timing: Timing) -> Processes:
            backends.append(process_replicas(plan, timing))
            return backends[0]

        told: list[list[int]] = [[] for _ in PROMPTS]

        async def follow(llm: ClusterLLM, number: int) -> None:
            async for chunk in llm.stream(PROMPTS[number], SAMPLING):
                told[number] += chunk.token_ids

        llm = ClusterLLM(directory, make_backend, replicas=2, timing=PATIENT, **OPTIONS)
        async with llm:
            await llm.start()
            streams = [asyncio.create_task(follow(llm, number)) for number in range(len(PROMPTS))]
            await until(lambda: min(map(len, told)) >= 10)
            process_id = backends[0].process_id("replica-0")
            assert process_id is not None
            os.kill(process_id, signal.SIGKILL)
            await asyncio.gather(*streams)
            losses = [member.num_losses for member in llm.members]
        return [tuple(each) for each in told], losses

    assert asyncio.run(killed()) == (asyncio.run(alone()), [1, 0])
