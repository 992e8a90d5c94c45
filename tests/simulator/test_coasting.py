"""Runs of steps taken at once leave the same record as steps taken one by one."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.simulated_service import Listed, deployment
from weft.cluster.member import Member
from weft.contracts.events import Event, RequestEnded, StepRun
from weft.contracts.prompts import LengthPrompt
from weft.contracts.record import replaced
from weft.contracts.requests import Request
from weft.contracts.routing import LoadReport
from weft.costs.step_costs import StepCosts
from weft.engine.driver import EngineDriver
from weft.observation.event_log import EventLog
from weft.simulator import clustered_service, service
from weft.simulator.coasting_driver import Answered
from weft.simulator.replica_figures import ReplicaReport
from weft.simulator.reporting_coasting_driver import EndsDriver
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import simulate_service
from weft.workloads.sessions import Session, Turn, Workload

NoteLoad = Callable[[Member, LoadReport, float], None]


class Record:
    """All that can be seen of a run."""

    def __init__(self, workload: Workload, **choices: Any) -> None:
        self.outcomes: list[RequestOutcome] = []
        self.loads: list[tuple[str, LoadReport]] = []
        self._logs: list[EventLog] = []
        with patch.object(Member, "note_load", self._noting(Member.note_load)):
            self.reports: list[ReplicaReport] = simulate_service(
                deployment(**choices), workload, self.outcomes.append, lambda _, log: self._logs.append(log)
            )

    def _noting(self, note: NoteLoad) -> NoteLoad:
        """What replicas tell with their heartbeats."""

        def note_load(member: Member, load: LoadReport, now_s: float) -> None:
            self.loads.append((member.name, load))
            note(member, load, now_s)

        return note_load

    @property
    def events(self) -> list[list[Event]]:
        return [log.events() for log in self._logs]

    @property
    def num_runs(self) -> int:
        return sum(isinstance(event, StepRun) for log in self._logs for event in log._ring)


class PlainDriver(EngineDriver):
    """Submits each step, and is told of each output."""

    def answer(self, request: Request, answered: Answered) -> None:
        news = self.submit(request)

        async def wait() -> None:
            while not isinstance(item := await news.get(), RequestEnded):
                assert not isinstance(item, Exception)
            answered(item)

        asyncio.get_running_loop().create_task(wait())


class NeverCoasting(EndsDriver):
    """Submits each step under a router's orders."""

    def _all_planned(self) -> None:
        pass


@contextmanager
def one_by_one() -> Iterator[None]:
    with (
        patch.object(service, "CoastingDriver", PlainDriver),
        patch.object(clustered_service, "EndsDriver", NeverCoasting),
    ):
        yield


def by_id(outcomes: list[RequestOutcome]) -> list[RequestOutcome]:
    """Two replicas may answer at the very same time."""
    return sorted(outcomes, key=lambda outcome: outcome.request_id)


def num_gaps(outcome: RequestOutcome) -> int:
    return sum(count for _, count in outcome.token_gaps)


def seconds_of_gaps(outcome: RequestOutcome) -> float:
    return sum(gap_s * count for gap_s, count in outcome.token_gaps)


def compare(workload: Workload, **choices: Any) -> Record:
    """Both ways; returns the record of runs taken at once."""
    coasting = Record(workload, **choices)
    with one_by_one():
        plain = Record(workload, **choices)
    assert plain.num_runs == 0
    for mine, theirs in zip(by_id(coasting.outcomes), by_id(plain.outcomes), strict=True):
        assert replaced(mine, token_gaps=()) == replaced(theirs, token_gaps=())
        assert num_gaps(mine) == num_gaps(theirs)
        assert seconds_of_gaps(mine) == pytest.approx(seconds_of_gaps(theirs))
    assert coasting.reports == plain.reports
    assert coasting.loads == plain.loads
    for events, plain_events in zip(coasting.events, plain.events, strict=True):
        assert events == plain_events
    return coasting


REQUESTS = st.lists(
    st.tuples(st.floats(0.0, 4.0), st.integers(1, 3000), st.integers(1, 400)), min_size=1, max_size=12
)


@given(
    requests=REQUESTS,
    depth=st.integers(1, 3),
    replicas=st.integers(1, 2),
    blocks=st.sampled_from([300, 400, 2000]),
    swap=st.booleans(),
)
@settings(max_examples=40)
def test_the_events_are_those_of_single_steps(
    requests: list[tuple[float, int, int]], depth: int, replicas: int, blocks: int, swap: bool
) -> None:
    compare(
        Listed(sorted(requests)),
        depth=depth,
        replicas=replicas,
        kv_cache_memory_bytes=blocks * 2**21,
        max_model_len=4096,
        preempt="cheapest_to_restore" if swap else None,
        swap_memory_bytes=2**31 if swap else 0,
    )


@given(requests=REQUESTS, depth=st.integers(1, 3), replicas=st.integers(1, 2))
@settings(max_examples=20)
def test_the_events_are_those_of_single_steps_where_prompts_are_felt_after_them(
    requests: list[tuple[float, int, int]], depth: int, replicas: int
) -> None:
    def seconds(_costs: StepCosts, steps_after: int, prompt_tokens: int, num_decodes: int) -> float:
        return (6 - steps_after) * (1e-6 * prompt_tokens + 1e-4 * num_decodes)

    with patch.multiple(StepCosts, settling_steps=6, settling_seconds=seconds):
        compare(Listed(sorted(requests)), depth=depth, replicas=replicas)


def test_most_steps_of_a_quiet_replica_are_taken_at_once() -> None:
    record = compare(Listed([(0.0, 100, 2000), (1.0, 500, 1000), (30.0, 10, 500)]))
    kept = sum(len(log._ring) for log in record._logs)
    assert record.num_runs >= 8
    assert kept < len(record.events[0]) / 20


@dataclass(frozen=True)
class Turns:
    """Conversations: what one replica answers decides when another is asked."""

    name: str = "turns"

    def sessions(self) -> Iterator[Session]:
        for number in range(6):
            turns = tuple(
                Turn(
                    LengthPrompt(50 + 10 * number),
                    30 + 7 * number,
                    0.1 * number,
                    (19 * number + 5,) * samples,
                )
                for samples in (0, 1, 2, 0)
            )
            yield Session(number, 0.05 * number, turns)


def test_what_is_asked_meanwhile_joins_where_it_would_have() -> None:
    assert compare(Turns(), replicas=3).num_runs > 10
