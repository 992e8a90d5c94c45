"""Time: of steps in order, and of transfers over the host's link."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.execution import ServingExecutor
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.state import Tier
from weft.contracts.steps import Admission, Step, StepEntry
from weft.contracts.transfers import BlockMove, Transfer, TransferKind
from weft.hardware.cluster import Link
from weft.simulator.simulated_executor import SimulatedExecutor
from weft.simulator.virtual_time import run

SECONDS_PER_TOKEN = 0.001


class TokenCosts:
    """A step takes a millisecond per token, at 100 watts."""

    pads_decodes = wants_longest = False
    admission_s = 0.0
    settling_steps = 0

    def waking_seconds(self, idle_s: float) -> float:
        return 0.0

    def seconds(self, num_tokens: int, *_: object) -> float:
        return num_tokens * SECONDS_PER_TOKEN

    def joules(self, seconds: float, num_passes: int = 1) -> float:
        return 100.0 * seconds


LINK = Link("test", 1e6, 0.5, {"bandwidth": "this test", "latency_s": "this test"})
COSTS: Any = TokenCosts()


@dataclass
class Served:
    windows_tokens: tuple[int | None, ...] = (None,)
    block_bytes: tuple[int, ...] = (1000,)
    host_link: Link = LINK
    costs: Any = COSTS
    speculation: Any = None


def executor(depth: int = 2) -> SimulatedExecutor:
    return SimulatedExecutor(Served(), {"a": (3,)}, depth)


def prefill(number: int = 0) -> Step:
    admission = Admission(0, 0, Request("a", LengthPrompt(10)), 0, (), 0, ((0,),))
    entry = StepEntry(0, 0, 10, emits=True, stands=True)
    return Step(number, 0, 10, (), (), (admission,), (), (), (), False, (entry,))


def decode(number: int) -> Step:
    return Step(number, 0, 1, (), (), (), (), (), (), True, ())


def swap(number: int, source: Tier, target: Tier, num_blocks: int) -> Transfer:
    moves = tuple(BlockMove(0, block, block) for block in range(num_blocks))
    return Transfer(number, TransferKind.SWAP_OUT, 0, source, target, moves, 16)


def test_steps_follow_each_other_and_the_output_ends_with_its_last_token() -> None:
    async def play() -> None:
        served, loop = executor(), asyncio.get_running_loop()
        protocol: ServingExecutor = served
        first, second = protocol.submit(prefill()), protocol.submit(decode(1))
        assert (await first).finished == ()
        assert loop.time() == 0.010
        third = served.submit(decode(2))
        assert (await second).finished == ()
        assert loop.time() == 0.011
        assert (await third).finished == (0,)
        assert loop.time() == 0.012
        assert (served.num_steps, served.busy_s, served.joules) == pytest.approx((3, 0.012, 1.2))

    run(play())


def test_a_step_after_a_pause_begins_when_it_comes() -> None:
    async def play() -> None:
        served = executor()
        await served.submit(prefill())
        await asyncio.sleep(1.0)
        await served.submit(decode(1))
        assert asyncio.get_running_loop().time() == 1.011

    run(play())


class SlowHost(TokenCosts):
    """A sequence that begins takes half a second, and a step after a pause a tenth of the pause."""

    admission_s = 0.5

    def waking_seconds(self, idle_s: float) -> float:
        return idle_s / 10


def test_sequences_that_begin_and_pauses_make_a_step_longer_and_what_follows_at_once_is_as_ever() -> None:
    async def play() -> None:
        served, loop = (
            SimulatedExecutor(Served(costs=SlowHost()), {"a": (9,)}, depth=1),
            asyncio.get_running_loop(),
        )
        await served.submit(prefill())
        assert loop.time() == 0.510
        await served.submit(decode(1))
        assert loop.time() == 0.511
        await asyncio.sleep(1.0)
        await served.submit(decode(2))
        assert loop.time() == pytest.approx(1.511 + 0.1 + 0.001)

    run(play())


class Lingering(TokenCosts):
    """A prompt costs the next step as much again."""

    settling_steps = 1

    def settling_seconds(self, steps_after: int, prompt_tokens: int, num_decodes: int) -> float:
        return prompt_tokens * SECONDS_PER_TOKEN


def test_a_prompt_makes_the_steps_after_it_longer() -> None:
    async def play() -> None:
        served, loop = SimulatedExecutor(Served(costs=Lingering()), {"a": (9,)}), asyncio.get_running_loop()
        first, second = served.submit(prefill()), served.submit(decode(1))
        await first
        third = served.submit(decode(2))
        await second
        assert loop.time() == pytest.approx(0.010 + 0.011)
        await third
        assert loop.time() == pytest.approx(0.010 + 0.011 + 0.001)

    run(play())


def test_no_more_steps_than_its_depth_are_in_flight() -> None:
    async def play() -> None:
        served = executor(depth=1)
        first = served.submit(prefill())
        with pytest.raises(InvariantViolation, match="depth"):
            served.submit(decode(1))
        await first

    run(play())


def test_transfers_queue_in_each_direction_of_the_link_and_not_behind_steps() -> None:
    async def play() -> None:
        served, loop, ended = executor(), asyncio.get_running_loop(), dict[int, float]()
        moves = [
            swap(0, Tier.DEVICE, Tier.HOST, 500),
            swap(1, Tier.DEVICE, Tier.HOST, 1000),
            swap(2, Tier.HOST, Tier.DEVICE, 500),
        ]
        step = served.submit(prefill())
        for move in moves:
            served.transfer(move).add_done_callback(
                lambda done: ended.update({done.result().transfer_id: loop.time()})
            )
        await step
        assert loop.time() == 0.010
        await asyncio.sleep(5.0)
        assert ended == {0: 1.0, 1: 2.5, 2: 1.0}

    run(play())


def test_what_is_not_simulated_is_refused() -> None:
    async def play() -> None:
        with pytest.raises(ConfigurationError, match="depth is 0"):
            executor(depth=0)
        with pytest.raises(ConfigurationError, match="not simulated"):
            executor().transfer(swap(0, Tier.DEVICE, Tier.DISK, 1))

    run(play())
