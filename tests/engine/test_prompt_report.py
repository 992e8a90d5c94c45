"""Requests without output, and what an engine keeps of answers about prompts."""

from array import array

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.events import Status
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Pooling, Request, SamplingParams
from weft.contracts.steps import PromptPart, TokenLogprobs
from weft.engine.prompt_report import PromptReport, prompt_report

TOLD = tuple(TokenLogprobs(token, -float(token)) for token in range(10))


def request(pooling: Pooling | None = None, count: int | None = None) -> Request:
    sampling = SamplingParams(max_tokens=0, prompt_logprobs=count)
    return Request("a", TokenPrompt(tuple(range(10))), sampling, pooling=pooling)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_request_without_output_ends_with_its_prompt(depth: int) -> None:
    engine = SmallEngine(depth=depth, max_step_tokens=8)
    silent, other = ask("silent", 30, 0), ask("other", 5, 12)
    engine.submit(silent, other)
    engine.run()
    engine.expect(other)
    assert engine.text(silent) == ()
    assert (engine.ends["silent"].status, engine.ends["silent"].reason) == (Status.FINISHED, "length")
    assert engine.ends["silent"].output_tokens == 0
    engine.engine.check_integrity()


def test_it_can_be_cancelled_half_way() -> None:
    engine, silent = SmallEngine(max_step_tokens=8), ask("silent", 30, 0)
    engine.submit(silent)
    engine.plan()
    engine.engine.cancel("silent", 1.0)
    engine.run()
    assert engine.ends["silent"].status is Status.CANCELLED
    engine.engine.check_integrity()


def test_the_door_learns_nothing_of_outputs_from_it() -> None:
    engine = SmallEngine()
    engine.submit(ask("silent", 30, 0))
    engine.run()
    assert engine.engine._door._mean_output_tokens is None
    engine.submit(ask("talks", 3, 9), ask("silent too", 30, 0))
    engine.run()
    assert engine.engine._door._mean_output_tokens == 9


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (request(count=1), "tells no log-probabilities of prompts"),
        (request(Pooling.LAST), "makes no embeddings"),
    ],
)
def test_an_executor_that_cannot_tell_fails_the_request_alone(asked: Request, problem: str) -> None:
    engine, other = SmallEngine(), ask("other", 5, 12)
    engine.submit(asked, other)
    engine.run()
    engine.expect(other)
    assert engine.ends["a"].status is Status.FAILED
    assert problem in engine.ends["a"].reason
    engine.engine.check_integrity()


def test_parts_that_come_again_are_known() -> None:
    report = PromptReport(request(count=0))
    for first, end in ((1, 4), (1, 3), (3, 8), (8, 10), (5, 10), (10, 10)):
        report.take(PromptPart(first, TOLD[first:end]))
    assert report.logprobs == [*TOLD[1:]]
    report.require_complete()


def test_what_is_told_need_not_be_computed_again() -> None:
    report = PromptReport(request(count=0))
    assert report.num_skippable(9) == 0
    report.take(PromptPart(1, TOLD[1:5]))
    assert (report.num_skippable(9), report.num_skippable(3)) == (4, 3)
    report.take(PromptPart(5, TOLD[5:]))
    assert report.num_skippable(20) == 20


def test_a_mean_needs_every_unit_in_one_row() -> None:
    last, mean = PromptReport(request(Pooling.LAST)), PromptReport(request(Pooling.MEAN))
    assert (last.num_skippable(9), mean.num_skippable(9)) == (9, 0)
    assert (last.survives_swap, mean.survives_swap) == (True, False)
    mean.take(PromptPart(10, embedding=array("f", [1.0])))
    assert mean.num_skippable(9) == 0
    mean.require_complete()


def test_only_the_first_output_of_who_asks_has_a_report() -> None:
    assert prompt_report(ask("plain", 3, 3), 0) is None
    assert prompt_report(request(count=0), 1) is None
    assert prompt_report(request(count=0), 0) is not None
    assert prompt_report(request(Pooling.LAST), 0) is not None
