"""Requests that another engine had before go on from what was emitted there, and come to the same."""

from collections.abc import Sequence

import pytest

from tests.engine.driven_engine import DrivenEngine, play
from tests.engine.small_engine import ask
from weft.contracts.errors import InvalidRequest, RequestRejected
from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Emitted, Request
from weft.engine.replica import Output
from weft.engine.reporting_driver import ReportingDriver
from weft.simulator.fake_reference import reference_logprobs


class Reported:
    """A driven engine's news, batch by batch."""

    def __init__(self, driven: DrivenEngine) -> None:
        self.batches: list[list[Output | RequestEnded]] = []
        self.driver = ReportingDriver(driven.config, driven.executor, driven.log, self._take, self._stopped)
        driven.engine = self.driver.engine

    def _take(self, news: Sequence[Output | RequestEnded]) -> None:
        self.batches.append(list(news))

    def _stopped(self, defect: Exception) -> None:
        raise defect

    def told(self, sample_index: int = 0) -> tuple[int, ...]:
        """All tokens of one output."""
        outputs = [each for batch in self.batches for each in batch if isinstance(each, Output)]
        return tuple(token for each in outputs if each.sample_index == sample_index for token in each.tokens)

    @property
    def ends(self) -> list[RequestEnded]:
        return [each for batch in self.batches for each in batch if isinstance(each, RequestEnded)]


def go_on(request: Request, emitted: Sequence[Emitted]) -> Reported:
    """What an engine tells of a request that was elsewhere."""
    reported: list[Reported] = []

    async def scenario(driven: DrivenEngine) -> None:
        reported.append(Reported(driven))
        reported[0].driver.begin(request, emitted)

    play(scenario)
    return reported[0]


def texts(request: Request) -> list[tuple[int, ...]]:
    """What each output of a request is."""
    found: list[tuple[int, ...]] = []

    async def scenario(driven: DrivenEngine) -> None:
        found.extend(driven.text(request, sample) for sample in range(request.sampling.n))

    play(scenario)
    return found


@pytest.mark.parametrize("num_emitted", range(9))
def test_an_output_goes_on_from_wherever_it_was(num_emitted: int) -> None:
    request = ask("a", 13, 9, temperature=1.0)
    (text,) = texts(request)
    reported = go_on(request, [Emitted(text[:num_emitted])])
    assert reported.told() == text[num_emitted:]
    assert [(end.status, end.output_tokens) for end in reported.ends] == [(Status.FINISHED, 9)]


def test_a_stop_token_that_comes_later_still_ends_it() -> None:
    request = ask("a", 5, 60, stop_token_ids=tuple(range(12)), temperature=1.0)
    (text,) = texts(request)
    assert 4 < len(text) < 60
    reported = go_on(request, [Emitted(text[:3])])
    assert reported.told() == text[3:]
    assert [end.reason for end in reported.ends] == ["stop"]


def test_of_several_outputs_each_goes_on_by_itself_and_one_that_has_ended_does_not() -> None:
    request = ask("a", 13, 9, n=3, temperature=1.0)
    found = texts(request)
    reported = go_on(request, [Emitted(found[0][:4]), Emitted(found[1], True), Emitted()])
    assert [reported.told(sample) for sample in range(3)] == [found[0][4:], (), found[2]]
    assert [end.output_tokens for end in reported.ends] == [27]


@pytest.mark.parametrize("emitted", [(), (Emitted(), Emitted(), Emitted())])
def test_where_nothing_was_emitted_all_begins_anew(emitted: tuple[Emitted, ...]) -> None:
    request = ask("a", 13, 9, n=3, temperature=1.0)
    reported = go_on(request, emitted)
    assert [reported.told(sample) for sample in range(3)] == texts(request)


def test_log_probabilities_go_on_with_the_tokens() -> None:
    request = ask("a", 9, 6, temperature=1.0, logprobs=2)
    (text,) = texts(request)
    reported = go_on(request, [Emitted(text[:2])])
    outputs = [each for batch in reported.batches for each in batch if isinstance(each, Output)]
    told = tuple(logprobs for each in outputs for logprobs in each.logprobs)

    async def compare(driven: DrivenEngine) -> None:
        assert told == reference_logprobs(driven.spec, request, text)[2:]

    play(compare)


def test_news_of_a_step_come_as_one() -> None:
    reported: list[Reported] = []

    async def scenario(driven: DrivenEngine) -> None:
        reported.append(Reported(driven))
        for number in range(4):
            reported[0].driver.begin(ask(f"r{number}", 5, 6))

    play(scenario)
    assert [len(batch) for batch in reported[0].batches] == [4, 4, 4, 4, 4, 8]


def test_work_that_was_let_in_elsewhere_is_not_refused_for_what_waits() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        reported = Reported(driven)
        reported.driver.begin(ask("first", 20, 4))
        reported.driver.begin(ask("second", 20, 4))
        with pytest.raises(RequestRejected):
            reported.driver.begin(ask("new", 20, 4))
        reported.driver.begin(ask("moved", 20, 4), ())

    play(scenario, max_queued_tokens=50, max_running=1)


@pytest.mark.parametrize(
    ("emitted", "complaint"),
    [
        ([Emitted((1,)), Emitted()], "2 outputs of it are said to be there, and it has 1"),
        ([Emitted((1,), True)], "all its outputs have ended"),
        ([Emitted((1, 2, 3, 4))], "has its 4 tokens already"),
    ],
)
def test_what_cannot_be_of_the_request_is_refused(emitted: list[Emitted], complaint: str) -> None:
    async def scenario(driven: DrivenEngine) -> None:
        with pytest.raises(InvalidRequest, match=complaint):
            driven.engine.submit(ask("a", 5, 4), 0.0, emitted=emitted)

    play(scenario)


def test_a_beam_search_begins_anew_or_not_at_all() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        with pytest.raises(InvalidRequest, match="no output before its end"):
            driven.engine.submit(ask("a", 5, 4, beam_width=2), 0.0, emitted=[Emitted((1,))])

    play(scenario)
