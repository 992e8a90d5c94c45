"""Beam search in a simulation, against a search without an engine and against what was measured."""

import asyncio
from itertools import pairwise
from math import exp
from statistics import fmean

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.simulator.simulated_service import Listed, deployment
from tests.simulator.test_simulated_rows import engine_config
from tools.beam_sharing import SearchAlone, SharingWatch
from weft.contracts.errors import InvalidRequest
from weft.contracts.events import Status
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.engine.client import generate
from weft.engine.driver import EngineDriver
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.replica_figures import ReplicaReport
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import simulate_service
from weft.simulator.simulated_beams import END_TOKEN, INDECISION, NextTokens
from weft.simulator.simulated_rows import SimulatedRows
from weft.simulator.virtual_time import run
from weft.workloads.sessions import Workload

MODEL = NextTokens(seed=5)

FORKED_LIVE = {2: 0.038, 4: 0.067, 6: 0.077}
SAVED_LIVE = {2: 0.35, 4: 0.56, 6: 0.62}
"""By beam width, as `tools/fit_beams.py` measured with a small model; docs/simulate.md."""

LIVE_LENGTHS = (
    *((10, 160), (12, 143), (12, 167), (13, 175), (14, 200), (17, 200), (20, 168), (20, 200), (21, 191)),
    *((22, 148), (23, 179), (7, 10), (14, 16), (18, 200), (23, 171), (32, 26), (56, 17), (177, 11)),
    *((252, 17), (296, 15), (307, 13), (495, 8)),
)
"""Prompt and output tokens of every third of these searches."""


def test_tokens_are_drawn_from_seed_output_and_hypothesis_alone() -> None:
    drawn = MODEL.likeliest("a 0", 7, 12, 8)
    assert drawn == NextTokens(seed=5).likeliest("a 0", 7, 12, 8)
    others = [("b 0", 7, 12), ("a 0", 8, 12), ("a 0", 7, 13)]
    assert all(MODEL.likeliest(*other, 8) != drawn for other in others)
    assert NextTokens(seed=6).likeliest("a 0", 7, 12, 8) != drawn
    assert set(MODEL.likeliest("a 0", 7, 12, 4)) < set(drawn)  # a wider search sees the same and more


def test_tokens_are_a_distribution_of_the_chosen_indecision() -> None:
    """Two draws of a next token differ with chance d / (1 + d)."""
    agree = []
    for number in range(4000):
        drawn = MODEL.likeliest("a 0", 1, number, 12)
        shares = [exp(candidate.logprob) for candidate in drawn]
        assert sum(shares) <= 1.0 + 1e-8
        assert all(sooner.logprob >= later.logprob for sooner, later in pairwise(drawn))
        assert END_TOKEN not in [candidate.token for candidate in drawn]
        agree.append(sum(share**2 for share in shares))
    assert 1.0 - fmean(agree) == pytest.approx(INDECISION / (1.0 + INDECISION), abs=0.015)


class Executor:
    """Takes 10 ms for each step, and chooses as a simulation does."""

    numeric_fingerprint = "beams"

    def __init__(self, output_tokens: dict[str, list[int]], depth: int) -> None:
        self.rows, self.depth, self.free_s = SimulatedRows(output_tokens, (None, 6), None, MODEL), depth, 0.0

    def submit(self, work: Step) -> asyncio.Future[StepResult]:
        done = self.rows.apply(work)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[StepResult] = loop.create_future()
        self.free_s = max(self.free_s, loop.time()) + 0.01
        result = StepResult(work.number, self.rows.tokens, done.finished, candidates=done.candidates)
        loop.call_at(self.free_s, future.set_result, result)
        return future

    async def transfer(self, transfer: Transfer) -> TransferResult:
        await asyncio.sleep(0.015)
        return TransferResult(transfer.transfer_id, checksum=0)

    async def update_weights(self, version: int, source: str) -> None:
        raise AssertionError("nobody updates weights here")

    async def forget_rows(self) -> None:
        raise AssertionError("no engine gives way to another here")


REQUESTS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 20), st.integers(1, 16), st.integers(1, 4)),
    min_size=1,
    max_size=5,
)


FOR_EVER = (
    ([(1, 15, 14, 4), (15, 11, 1, 1), (20, 2, 11, 1), (6, 14, 16, 4), (13, 2, 14, 4)], 21, 1),
    ([(8, 20, 8, 4), (19, 20, 15, 2), (16, 18, 15, 2), (7, 16, 6, 4), (10, 10, 3, 4)], 17, 1),
    ([(2, 18, 13, 2), (17, 17, 14, 4), (0, 19, 5, 4), (18, 6, 10, 3), (10, 15, 7, 4)], 17, 2),
)
"""Where a hypothesis was swapped in and out for ever: its state had room, the rest of what it knew had not."""


@settings(max_examples=25)
@example(FOR_EVER[0][0], FOR_EVER[0][1], "latest_first_swap", FOR_EVER[0][2])
@example(FOR_EVER[1][0], FOR_EVER[1][1], "latest_first_swap", FOR_EVER[1][2])
@example(FOR_EVER[2][0], FOR_EVER[2][1], "latest_first_swap", FOR_EVER[2][2])
@given(
    REQUESTS, st.integers(14, 60), st.sampled_from(["latest_first", "latest_first_swap"]), st.integers(1, 2)
)
def test_a_search_finds_the_same_whatever_the_schedule(
    requests: list[tuple[int, int, int, int]], num_blocks: int, preempt: str, depth: int
) -> None:
    """Few rows and blocks, so that hypotheses give way to each other; requests of width 1 stand among them."""
    wanted = {str(number): [length] for number, (_, _, length, _) in enumerate(requests)}

    async def ask(driver: EngineDriver, number: int) -> None:
        delay, prompt_tokens, length, width = requests[number]
        await asyncio.sleep(delay * 0.007)
        ends = (END_TOKEN,) if width > 1 else ()
        sampling = SamplingParams(beam_width=width, max_tokens=length + 4, stop_token_ids=ends)
        answer = await generate(driver, Request(str(number), LengthPrompt(prompt_tokens), sampling))
        assert answer.status is Status.FINISHED
        (output,) = answer.outputs
        if width > 1:
            assert output == SearchAlone(MODEL, str(number), width, length).found
        assert len(output) == length

    async def play() -> None:
        driver = EngineDriver(engine_config(num_blocks, preempt), Executor(wanted, depth))
        await asyncio.gather(*(ask(driver, number) for number in range(len(requests))))
        driver.engine.check_integrity()

    run(play())


def searched(
    planned: Deployment, workload: Workload, beam_width: int, seed: int = 0
) -> tuple[list[RequestOutcome], ReplicaReport, SharingWatch]:
    """What became of the requests, what the replica did, and what hypotheses shared."""
    found, watch = list[RequestOutcome](), SharingWatch(beam_width)
    (report,) = simulate_service(planned, workload, found.append, watch.watch, seed, beam_width)
    return found, report, watch


def test_a_search_alone_takes_its_prefill_and_its_rounds_and_answers_at_its_end() -> None:
    planned, prompt, output, width = deployment(enable_prefix_caching=False), 500, 40, 4
    (only,), report, _ = searched(planned, Listed([(2.5, prompt, output)]), width)
    seconds = planned.costs.seconds(prompt, 1, 0, (0,), [(prompt, 0)])
    for known in range(prompt, prompt + output - 1):
        seconds += planned.costs.seconds(width, width, 0, (0,), [(1, known)] * width)
    assert (only.status, only.output_tokens) == (Status.FINISHED, output)
    assert only.first_token_s == only.ended_s == pytest.approx(2.5 + seconds, abs=1e-7)
    blocks = report.kv_usage_peak * planned.memory.num_blocks
    assert -(-(prompt + output) // 16) < blocks < width * -(-(prompt + output) // 16)


@pytest.mark.parametrize("beam_width", [2, 4, 6])
def test_hypotheses_fork_and_share_as_much_as_live(beam_width: int) -> None:
    load = Listed([(3.0 * number, prompt, output) for number, (prompt, output) in enumerate(LIVE_LENGTHS)])
    _, _, watch = searched(deployment(enable_prefix_caching=False), load, beam_width)
    assert watch.forks.share == pytest.approx(FORKED_LIVE[beam_width], rel=0.2)
    assert watch.saving == pytest.approx(SAVED_LIVE[beam_width], abs=0.06)


def test_searches_short_of_memory_give_way_and_end() -> None:
    planned = deployment(kv_cache_memory_bytes=80 * 2**21, max_model_len=1024)
    load = Listed([(0.001 * number, 100 + number, 40 + number) for number in range(10)])
    found, report, _ = searched(planned, load, 4)
    again = searched(planned, load, 4)
    assert report.preemptions > 0
    assert sorted(each.output_tokens for each in found) == [output for _, _, output in load.requests]
    assert (found, report) == again[:2]
    assert found != searched(planned, load, 4, seed=1)[0]


def test_a_search_is_cut_where_the_model_ends() -> None:
    (only,), _, _ = searched(deployment(max_model_len=1000), Listed([(0.0, 990, 50)]), 3)
    assert (only.reason, only.output_tokens) == ("length", 10)


def test_searches_beside_a_draft_model_do_without_it() -> None:
    options = DeploymentOptions(
        speculative_model="Qwen/Qwen3-0.6B",
        num_speculative_tokens=4,
        acceptance_rate=0.7,
        serving=ServingOptions(),
    )
    found, report, _ = searched(plan_deployment("Qwen/Qwen3-8B", options), Listed([(0.0, 50, 30)] * 3), 3)
    assert [each.output_tokens for each in found] == [30] * 3
    assert report.drafts == 0


def test_a_width_that_no_request_may_ask_for_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="beam_width is 129; it must be between 1 and 128"):
        searched(deployment(), Listed([(0.0, 10, 2)]), 129)
