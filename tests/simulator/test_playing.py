"""Sessions in virtual time: what a driver on any clock makes of them."""

import asyncio
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.test_driving import START_S, driven, session, times_s
from weft.simulator.playing import Play, Player, Send
from weft.simulator.virtual_time import run, running_agenda
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Session, Turn


def play(sessions: Iterable[Session], send: Send) -> float:
    """When all was over, in seconds since the start."""

    async def main() -> float:
        await asyncio.sleep(START_S)
        await Player(sessions, send).over
        return running_agenda().now_s - START_S

    return run(main())


def played(sessions: Iterable[Session], service_s: float) -> list[tuple[int, int, float, float]]:
    """As `driven` says it."""
    sent: list[tuple[int, int, float, float]] = []

    def send(play: Play, _: Turn, arrival_s: float) -> None:
        agenda = running_agenda()
        sent.append((play.session.number, play.index, arrival_s - START_S, agenda.now_s - START_S))
        agenda.call_at(agenda.now_s + service_s, play.attempt, (play.go_on,))

    play(sessions, send)
    return sent


@given(st.lists(times_s, max_size=8).map(sorted), st.lists(times_s, max_size=3), times_s)
def test_turns_are_sent_as_by_the_driver_of_any_clock(
    arrivals_s: list[float], delays_s: list[float], service_s: float
) -> None:
    sessions = [session(number, time_s, *delays_s) for number, time_s in enumerate(arrivals_s)]
    assert sorted(played(sessions, service_s)) == sorted(driven(sessions, service_s))


def test_sessions_are_taken_one_by_one() -> None:
    sent: list[int] = []

    def endless() -> Iterator[Session]:
        for number in range(100):
            yield session(number, float(number))
            assert len(sent) == number + 1

    def send(play: Play, _turn: Turn, _arrival_s: float) -> None:
        sent.append(play.session.number)
        play.go_on()

    assert play(endless(), send) == 99.0


def test_what_a_workload_raises_ends_the_run() -> None:
    def broken() -> Iterator[Session]:
        yield session(0, 0.0)
        raise WorkloadError("line 3")

    with pytest.raises(WorkloadError, match="line 3"):
        play(broken(), lambda *_: None)


def test_after_the_first_failure_nothing_more_is_sent() -> None:
    sent: list[int] = []

    def send(play: Play, _turn: Turn, _arrival_s: float) -> None:
        sent.append(play.session.number)
        raise WorkloadError(f"here, {play.session.number}")

    with pytest.raises(WorkloadError, match="here, 0"):
        play([session(number, 0.0) for number in range(3)], send)
    assert sent == [0]
