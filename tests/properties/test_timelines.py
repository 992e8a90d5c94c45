"""What is told of the past, held against what an engine with steps under way really did."""

from collections import Counter
from itertools import pairwise

import pytest

from tests.observation.test_token_intervals import observed
from tests.properties.player import Player
from tests.properties.worlds import play
from weft.contracts.events import Event, RequestEnded, Status
from weft.observation.event_log import EventLog
from weft.observation.explain import explain
from weft.observation.jsonl import from_json_line, to_json_line
from weft.observation.metrics import EngineMetrics
from weft.observation.timeline import RequestTimeline, timeline

SEEDS = range(30)


@pytest.fixture(scope="module", params=SEEDS)
def player(request: pytest.FixtureRequest) -> Player:
    seed: int = request.param
    return play(seed)


def stories(player: Player) -> list[RequestTimeline]:
    events = player.log.events()
    return [timeline(events, request_id) for request_id in player.requests]


def moments(story: RequestTimeline) -> list[list[float]]:
    """Per sequence, the times at which it got tokens."""
    by_sequence: dict[int, dict[float, None]] = {}
    for token in story.token_times:
        by_sequence.setdefault(token.sequence_number, {})[token.time_s] = None
    return [[*times] for times in by_sequence.values()]


def is_stopped(player: Player, request_id: str) -> bool:
    """Whether a client ended an output of a request, and may have dropped some of its tokens."""
    return any(told.is_stopped for (owner, _), told in player.told.items() if owner == request_id)


def test_a_timeline_has_exactly_the_tokens_of_the_output(player: Player) -> None:
    for story in stories(player):
        assert story.end is not None
        is_search = player.requests[story.request_id].sampling.beam_width > 1
        if is_search or story.end.status is Status.FAILED:
            continue
        if is_stopped(player, story.request_id):
            assert len(story.token_times) >= story.end.output_tokens, explain(story)
        else:
            assert len(story.token_times) == story.end.output_tokens, explain(story)


def test_intervals_are_those_of_the_timelines(player: Player) -> None:
    told = Counter(
        after - before
        for story in stories(player)
        for times in moments(story)
        for before, after in pairwise(times)
    )
    assert observed(player.log.events()) == told


def test_metrics_agree_with_the_timelines(player: Player) -> None:
    log = EventLog(capacity=0)
    metrics = EngineMetrics(log)
    for event in player.log.events():
        log.record(event)
    told = stories(player)
    ends = Counter(story.end.status for story in told if story.end is not None)
    assert metrics.generation_tokens.value == sum(len(story.token_times) for story in told)
    assert metrics.time_to_first_token_seconds.count == sum(story.first_token is not None for story in told)
    assert metrics.request_success.value == ends[Status.FINISHED]
    assert metrics.requests_cancelled.value == ends[Status.CANCELLED]
    assert metrics.num_preemptions.value == sum(len(story.preemptions) for story in told)
    assert metrics.num_unfinished == 0


def test_a_log_survives_its_written_form(player: Player) -> None:
    def rounded(event: Event) -> Event:
        return from_json_line(to_json_line(event))

    events = [rounded(event) for event in player.log.events()]
    assert [rounded(event) for event in events] == events
    assert [type(event) for event in events] == [type(event) for event in player.log.events()]
    assert sum(isinstance(event, RequestEnded) for event in events) == len(player.requests)
