"""What simulated parts ask of time, past asyncio. That callbacks run in order is told by the tests of the loop."""

import asyncio

import pytest

from weft.simulator.agenda import Agenda, CrowdedInstantError, Handle, NothingDueError
from weft.simulator.virtual_time import SimulationError, run, running_agenda


def ignore(_handle: Handle, error: BaseException) -> None:
    raise error


def test_callbacks_of_the_agenda_and_of_the_loop_take_turns() -> None:
    seen: list[str] = []

    async def main() -> float:
        agenda, loop = running_agenda(), asyncio.get_running_loop()
        loop.call_at(2.0, seen.append, "loop")
        agenda.call_at(2.0, seen.append, ("agenda",))
        loop.call_at(1.0, seen.append, "earlier")
        agenda.call_at(1.5, seen.append, ("never",)).cancel()
        agenda.call_soon(seen.append, ("soon",))
        await asyncio.sleep(3.0)
        return agenda.now_s

    assert run(main()) == 3.0
    assert seen == ["soon", "earlier", "loop", "agenda"]


def test_a_callback_that_fails_stops_no_other_and_is_told() -> None:
    seen: list[str] = []
    told: list[tuple[Handle, BaseException]] = []
    agenda = Agenda(100, lambda handle, error: told.append((handle, error)))
    failing = agenda.call_soon(lambda: 1 // 0)
    agenda.call_soon(seen.append, ("next",))
    with pytest.raises(NothingDueError):
        agenda.run()
    assert seen == ["next"]
    assert [(handle, type(error)) for handle, error in told] == [(failing, ZeroDivisionError)]


def test_stopped_it_runs_what_is_ready_and_keeps_the_rest() -> None:
    seen: list[float] = []
    agenda = Agenda(100, ignore)

    def stop() -> None:
        agenda.is_stopping = True
        agenda.call_soon(lambda: seen.append(agenda.now_s))

    agenda.call_at(1.0, stop)
    agenda.call_at(1.0, lambda: seen.append(-1.0))
    agenda.run()
    assert seen == [-1.0]
    agenda.run()
    assert seen == [-1.0, 1.0]


def test_who_never_lets_time_pass_is_caught() -> None:
    agenda = Agenda(100, ignore)

    def again() -> None:
        agenda.call_soon(again)

    agenda.call_at(1.0, again)
    with pytest.raises(CrowdedInstantError):
        agenda.run()


def test_elsewhere_than_in_virtual_time_there_is_none() -> None:
    async def main() -> None:
        with pytest.raises(SimulationError, match=r"virtual time only"):
            running_agenda()

    asyncio.run(main())
