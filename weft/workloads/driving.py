"""Playing a workload: who sends what, and when, on whatever clock the running event loop has."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from weft.workloads.sessions import Session, Turn

Submit: TypeAlias = Callable[[Session, int, Turn, float], Awaitable[None]]
"""Sends the turn at an index of a session and returns when it is answered. The number is when it was meant to be
sent, in the loop's time: latencies count from there. `Session.request` makes it a request."""


async def drive(sessions: Iterable[Session], submit: Submit) -> None:
    """Start each session at its arrival, whatever became of those before; return when all are over.

    Arrivals count from the call. Each later turn is sent `delay_s` after `submit` has returned from the one before.
    Sessions are taken one by one, each when the one before has begun, and forgotten when they are over. What
    `sessions` or a `submit` raises ends the run: all others are cancelled, and the first to raise is heard.
    """
    try:
        await _start_each(sessions, submit)
    except BaseExceptionGroup as raised:
        raise raised.exceptions[0] from None


async def _start_each(sessions: Iterable[Session], submit: Submit) -> None:
    begun_s = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for session in sessions:
            arrival_s = begun_s + session.arrival_s
            await _sleep_until(arrival_s)
            group.create_task(_play(session, arrival_s, submit))


async def _play(session: Session, arrival_s: float, submit: Submit) -> None:
    now = asyncio.get_running_loop().time
    for index, turn in enumerate(session.turns):
        if index:
            arrival_s = now() + turn.delay_s
            await _sleep_until(arrival_s)
        await submit(session, index, turn, arrival_s)


async def _sleep_until(time_s: float) -> None:
    """Lets others run in any case, so that a load that lags starves nobody."""
    await asyncio.sleep(max(0.0, time_s - asyncio.get_running_loop().time()))
