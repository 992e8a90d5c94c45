"""On virtual time, so that what is due when can be told exactly."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.prompts import LengthPrompt
from weft.simulator.virtual_time import run
from weft.workloads.driving import drive
from weft.workloads.errors import WorkloadError
from weft.workloads.sessions import Session, Turn

START_S = 5.0
times_s = st.integers(0, 1000).map(lambda ms: ms / 1000)


def session(number: int, arrival_s: float, *delays_s: float) -> Session:
    prompt = LengthPrompt(1)
    return Session(number, arrival_s, [Turn(prompt, 1), *(Turn(prompt, 1, delay_s) for delay_s in delays_s)])


def driven(sessions: list[Session], service_s: float) -> list[tuple[int, int, float, float]]:
    """What was sent: session, index, intended time, real time; each is answered after `service_s`."""
    sent: list[tuple[int, int, float, float]] = []

    async def submit(session: Session, index: int, _: Turn, arrival_s: float) -> None:
        sent.append((session.number, index, arrival_s - START_S, asyncio.get_running_loop().time() - START_S))
        await asyncio.sleep(service_s)

    async def main() -> None:
        await asyncio.sleep(START_S)
        await drive(sessions, submit)

    run(main())
    return sent


@given(st.lists(times_s, min_size=1, max_size=8).map(sorted), st.lists(times_s, max_size=3), times_s)
def test_turns_follow_the_ends_of_those_before(
    arrivals_s: list[float], delays_s: list[float], service_s: float
) -> None:
    sent = driven([session(number, time_s, *delays_s) for number, time_s in enumerate(arrivals_s)], service_s)
    assert len(sent) == len(arrivals_s) * (1 + len(delays_s))
    for number, index, intended_s, real_s in sent:
        assert real_s == pytest.approx(intended_s, abs=1e-8)
        waited_s = index * service_s + sum(delays_s[:index])
        assert intended_s == pytest.approx(arrivals_s[number] + waited_s, abs=1e-8)


def test_an_open_loop_does_not_wait_for_answers() -> None:
    sent = driven([session(number, number / 10) for number in range(20)], service_s=100.0)
    assert sent[-1][3] == pytest.approx(1.9)


def test_only_what_is_under_way_is_held() -> None:
    """An endless workload, and a server that keeps up."""
    under_way = most = 0

    async def submit(*_: object) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(0.25)
        finally:
            under_way -= 1

    def endless() -> Iterator[Session]:
        number = 0
        while True:
            yield session(number, number / 10)
            assert len(asyncio.all_tasks()) <= 6
            number += 1

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(drive(endless(), submit), 50.0)

    run(main())
    assert most == 3
    assert under_way == 0  # what was under way was cancelled


def test_what_a_submit_raises_ends_the_run() -> None:
    async def submit(session: Session, *_: object) -> None:
        if session.number == 1:
            raise WorkloadError("here")
        await asyncio.sleep(1000.0)

    async def main() -> float:
        with pytest.raises(WorkloadError, match="here"):
            await drive([session(number, float(number)) for number in range(5)], submit)
        return asyncio.get_running_loop().time()

    assert run(main()) == 1.0


def test_what_a_workload_raises_is_heard() -> None:
    def broken() -> Iterator[Session]:
        yield session(0, 0.0)
        raise WorkloadError("line 3")

    async def submit(*_: object) -> None:
        await asyncio.sleep(1.0)

    async def main() -> None:
        with pytest.raises(WorkloadError, match="line 3"):
            await drive(broken(), submit)

    run(main())
