import asyncio

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.execution import ServingExecutor
from weft.contracts.prompts import TokenPrompt
from weft.contracts.record import replaced
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import Tier
from weft.contracts.steps import Admission, Draft, Step, StepEntry, StepResult, TokenLogprobs, Verification
from weft.contracts.transfers import BlockMove, Transfer, TransferKind, TransferResult
from weft.simulator.null_executor import NULL_TOKEN, NullExecutor
from weft.simulator.virtual_time import run


def _step(number: int, *entries: StepEntry) -> Step:
    return Step(number, 0, 1, (), (), (), (), (), (), True, entries)


def test_it_is_a_serving_executor() -> None:
    executor: ServingExecutor = NullExecutor(depth=3)
    assert executor.depth == 3
    assert executor.numeric_fingerprint == "null-1"


@pytest.mark.parametrize(("depth", "step_s"), [(0, 0.0), (1, -1.0), (1, float("nan"))])
def test_impossible_settings_are_refused(depth: int, step_s: float) -> None:
    with pytest.raises(ConfigurationError):
        NullExecutor(depth, step_s)


@pytest.mark.parametrize("step_s", [0.0, 0.01])
def test_steps_return_in_order_and_end_nothing(step_s: float) -> None:
    async def play() -> None:
        executor = NullExecutor(depth=3, step_s=step_s)
        order: list[int] = []
        futures = [executor.submit(_step(number)) for number in range(3)]
        for future in futures:
            future.add_done_callback(lambda done: order.append(done.result().number))
        results: list[StepResult] = await asyncio.gather(*futures)
        assert order == [0, 1, 2]
        assert all(
            (result.tokens[4], result.finished, result.verified) == (NULL_TOKEN, (), {}) for result in results
        )

    run(play())


def test_steps_take_their_time_one_after_the_other() -> None:
    async def play() -> None:
        loop, executor = asyncio.get_running_loop(), NullExecutor(step_s=0.5)
        ends = []
        for _ in range(2):
            for future in [executor.submit(_step(number)) for number in range(2)]:
                await future
                ends.append(loop.time())
            await asyncio.sleep(10.0)
        assert ends == [0.5, 1.0, 11.5, 12.0]

    run(play())


def test_without_time_a_step_returns_in_the_next_round() -> None:
    async def play() -> None:
        future = NullExecutor().submit(_step(0))
        assert not future.done()
        await asyncio.sleep(0)
        assert future.done()

    run(play())


def test_drafts_are_rejected_and_candidates_made_up() -> None:
    async def play() -> None:
        draft = StepEntry(2, 0, 1, True, draft=Draft((1,), (-1,)))
        asking = StepEntry(5, 0, 1, True, num_candidates=3)
        result = await NullExecutor().submit(_step(0, draft, StepEntry(3, 0, 9, False), asking))
        assert result.verified == {2: Verification((), (NULL_TOKEN,))}
        assert list(result.candidates) == [5]
        tokens, logprobs = zip(*result.candidates[5], strict=True)
        assert tokens == (0, 1, 2)
        assert sorted(logprobs, reverse=True) == list(logprobs)
        assert len(set(logprobs)) == 3

    run(play())


def _admission(row: int, logprobs: int | None) -> Admission:
    request = Request(f"r{row}", TokenPrompt((1, 2)), SamplingParams(logprobs=logprobs))
    return Admission(row, row, request, 0, (), 0, ((),))


def test_rows_that_emit_have_log_probabilities_where_their_requests_ask() -> None:
    async def play() -> None:
        executor = NullExecutor()
        begins = [StepEntry(row, 0, 2, True, stands=True) for row in (0, 1, 2)]
        chunk = StepEntry(3, 0, 1, False)
        rows = (_admission(0, None), _admission(1, 0), _admission(2, 5), _admission(3, 1))
        steps = [
            replaced(_step(0, *begins, chunk), added=rows),
            _step(1, StepEntry(3, 1, 1, True)),
            replaced(_step(2), paused=(1,)),
            replaced(_step(3), advances=False),
            replaced(_step(4), removed=(2,)),
            replaced(_step(5), removed=(1, 3), added=(_admission(1, None),)),
        ]
        told = [(await executor.submit(step)).logprobs for step in steps]
        assert [sorted(each) for each in told] == [[1, 2], [1, 2, 3], [2], [], [], []]
        assert told[0][1] == (TokenLogprobs(NULL_TOKEN, 0.0),)

    run(play())


def test_transfers_and_weights_are_done_at_once() -> None:
    async def play() -> None:
        executor = NullExecutor()
        move = (BlockMove(0, 1, 2),)
        transfer = Transfer(9, TransferKind.SWAP_OUT, 0, Tier.DEVICE, Tier.HOST, move, 4)
        assert await executor.transfer(transfer) == TransferResult(9, checksum=0)
        await executor.update_weights(1, "nowhere")

    run(play())


def test_a_cancelled_awaiter_does_no_harm() -> None:
    problems: list[object] = []

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        executor = NullExecutor()
        executor.submit(_step(0)).cancel()
        assert (await executor.submit(_step(1))).number == 1

    asyncio.run(play())
    assert not problems
