"""What the rows say of a step, against a count row by row, over whatever an engine plans."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Status
from weft.contracts.prompts import LengthPrompt
from weft.contracts.record import replaced
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import PagedGroup, StateLayout
from weft.contracts.steps import Admission, Draft, Step, StepEntry, StepResult, Verification
from weft.contracts.transfers import Transfer, TransferResult
from weft.engine.client import generate
from weft.engine.config import EngineConfig
from weft.engine.driver import EngineDriver
from weft.simulator.simulated_drafts import Luck
from weft.simulator.simulated_rows import SimulatedRows
from weft.simulator.step_work import StepWork
from weft.simulator.virtual_time import run

WINDOWS = (None, 6)


class CountedRows:
    """The same by walking over all rows: per row its length, what is left of its output, whether it stands."""

    def __init__(self, output_tokens: dict[str, list[int]]) -> None:
        self.output_tokens = output_tokens
        self.rows: dict[int, list[Any]] = {}

    def apply(self, step: Step) -> StepWork:
        for number in step.removed:
            del self.rows[number]
        for number in step.paused:
            self.rows[number][2] = False
        for each in step.added:
            left = self.output_tokens[each.request.request_id][each.sample_index] - len(each.output_tokens)
            self.rows[each.row] = [each.num_computed, left, False]
        standing = [number for number, row in self.rows.items() if row[2] and step.advances]
        visible = [sum(self.seen(self.rows[number][0], window) for number in standing) for window in WINDOWS]
        longest = max((self.seen(self.rows[number][0], None) for number in standing), default=0)
        for number in standing:
            self.rows[number][0] += 1
        for entry in step.entries:
            self.rows[entry.row][0] = entry.start + entry.num_units
            self.rows[entry.row][2] = entry.stands
        emitting = [*standing, *(entry.row for entry in step.entries if entry.emits)]
        for number in emitting:
            self.rows[number][1] -= 1
        finished = tuple(number for number in emitting if self.rows[number][1] == 0)
        chunks = [(entry.num_units, entry.start) for entry in step.entries]
        return StepWork(step.num_tokens, len(emitting), len(standing), visible, chunks, longest, finished)

    @staticmethod
    def seen(num_computed: int, window: int | None) -> int:
        return num_computed + 1 if window is None else min(num_computed + 1, window)


class ComparingExecutor:
    """Ends outputs as the rows say, and compares what they say of each step."""

    numeric_fingerprint = "comparing"
    depth = 2

    def __init__(self, output_tokens: dict[str, list[int]]) -> None:
        self.rows = SimulatedRows(output_tokens, WINDOWS, wants_longest=True)
        self.counted = CountedRows(output_tokens)
        self.free_s = 0.0

    def submit(self, work: Step) -> asyncio.Future[StepResult]:
        said, expected = self.rows.apply(work), self.counted.apply(work)
        assert replaced(said, finished=tuple(sorted(said.finished))) == replaced(
            expected, finished=tuple(sorted(expected.finished))
        )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[StepResult] = loop.create_future()
        self.free_s = max(self.free_s, loop.time()) + 0.01
        loop.call_at(self.free_s, future.set_result, StepResult(work.number, bytes(64), said.finished))
        return future

    async def transfer(self, transfer: Transfer) -> TransferResult:
        await asyncio.sleep(0.015)
        return TransferResult(transfer.transfer_id, checksum=0)

    async def update_weights(self, version: int, source: str) -> None:
        raise AssertionError("nobody updates weights here")

    async def forget_rows(self) -> None:
        raise AssertionError("no engine gives way to another here")


def engine_config(num_blocks: int, preempt: str) -> EngineConfig:
    layout = StateLayout((PagedGroup("full", 1), PagedGroup("window", 1, WINDOWS[1])), block_tokens=4)
    names = ("full", "window")
    return EngineConfig(
        layout,
        dict.fromkeys(names, num_blocks),
        dict.fromkeys(names, 40),
        max_step_tokens=16,
        max_running=6,
        max_queued_tokens=10_000,
        preempt=preempt,
    )


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.integers(1, 30),
        st.lists(st.integers(1, 25), min_size=1, max_size=3),
        st.integers(0, 8),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40)
@given(REQUESTS, st.integers(20, 40), st.sampled_from(["latest_first", "latest_first_swap"]))
def test_every_step_is_counted_right_and_every_output_ends_where_it_should(
    requests: list[tuple[int, int, list[int], int]], num_blocks: int, preempt: str
) -> None:
    wanted = {str(number): lengths for number, (_, _, lengths, _) in enumerate(requests)}

    async def ask(driver: EngineDriver, number: int) -> None:
        delay, prompt_tokens, lengths, spare = requests[number]
        await asyncio.sleep(delay * 0.007)
        sampling = SamplingParams(n=len(lengths), max_tokens=max(1, lengths[0] + spare - 4))
        answer = await generate(driver, Request(str(number), LengthPrompt(prompt_tokens), sampling))
        assert answer.status is Status.FINISHED
        assert list(map(len, answer.outputs)) == [min(tokens, sampling.max_tokens) for tokens in lengths]

    async def play() -> None:
        driver = EngineDriver(engine_config(num_blocks, preempt), ComparingExecutor(wanted))
        await asyncio.gather(*(ask(driver, number) for number in range(len(requests))))
        driver.engine.check_integrity()

    run(play())


def admission(row: int, request_id: str, sample_index: int = 0) -> Admission:
    return Admission(row, 0, Request(request_id, LengthPrompt(8)), sample_index, (), 0, ((),))


def admitted(*added: Admission) -> Step:
    return Step(0, 0, 0, (), (), added, (), (), (), False, ())


def test_each_output_has_a_token_of_its_own_and_keeps_it() -> None:
    rows = SimulatedRows({"a": (5, 5), "b": (5,)}, (None,))
    rows.apply(admitted(admission(3, "a"), admission(1, "b"), admission(0, "a", 1)))
    before = rows.tokens
    assert len({before[row] for row in (0, 1, 3)}) == 3
    assert all(0 <= token < 2**31 for token in before)
    rows.apply(replaced(admitted(admission(5, "a"), admission(3, "b")), removed=(3,)))
    assert (rows.tokens[5], rows.tokens[3]) == (before[3], before[1])
    assert before[3] != before[1]  # what a step under way was given stays as it was


@pytest.mark.parametrize("has_returned", [True, False])
def test_the_token_of_an_output_stays_until_the_step_that_ends_it_has_returned(has_returned: bool) -> None:
    rows = SimulatedRows({"a": (1,), "b": (5,)}, (None,))
    rows.apply(replaced(admitted(admission(0, "a")), entries=(StepEntry(0, 0, 8, True),)))
    before, token = rows.tokens, rows.tokens[0]
    rows.returned_step = 0 if has_returned else -1
    rows.apply(replaced(admitted(admission(0, "b")), number=1, removed=(0,)))
    assert rows.tokens[0] != token
    assert (rows.tokens is before) == has_returned
    assert (before[0] == token) == (not has_returned)


def drafting(num_tokens: int, start: int = 8) -> Step:
    draft = Draft((0,) * num_tokens, tuple(range(-1, num_tokens - 1)))
    entry = StepEntry(0, start, 1, True, draft=draft)
    return Step(0, 0, num_tokens + 1, (), (), (), (), (), (), False, (entry,))


def test_drafts_without_a_draft_model_are_refused() -> None:
    rows = SimulatedRows({"a": (5,)}, (None,))
    rows.apply(admitted(admission(0, "a")))
    with pytest.raises(ConfigurationError, match="no draft model"):
        rows.apply(drafting(1))


def test_a_draft_brings_what_is_right_and_a_token_and_no_more_than_the_output_has() -> None:
    rows = SimulatedRows({"a": (6,)}, (None,), Luck(1.0, seed=0))
    rows.apply(admitted(admission(0, "a")))
    first, last = rows.apply(drafting(3)), rows.apply(drafting(3, 12))
    token = rows.tokens[0]
    assert first == StepWork(4, 4, 0, [0], [(4, 8)], 0, (), {0: Verification((0, 1, 2), (token,) * 4)})
    assert (last.finished, last.verified[0]) == ((0,), Verification((0,), (token,) * 2))
