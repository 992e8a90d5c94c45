import asyncio
import contextlib
import contextvars
import gc
import heapq
import math
import operator
import os
import re
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.simulator.virtual_time import (
    SimulationDeadlock,
    SimulationError,
    SimulationForbidden,
    SimulationLivelock,
    VirtualTimeLoop,
    run,
)

Program = Callable[[], Coroutine[Any, Any, object]]

# Halves of nanoseconds make near ties, where rounding decides the order.
close_delays = st.integers(2, 12).map(lambda half_ns: half_ns * 0.5e-9)
plans = st.lists(st.lists(close_delays | st.floats(1e-9, 1e5), max_size=20), max_size=8)
timer = st.tuples(close_delays | st.floats(-1, 5), st.booleans(), st.floats(0, 2))
# Few, or so many that cancelled ones are swept.
timers = st.builds(operator.mul, st.lists(timer, max_size=12), st.sampled_from([1, 40]))


def nanoseconds(time_s: float) -> int:
    return round(time_s * 1e9)


def predict_wakes(plans: list[list[float]]) -> list[tuple[int, int]]:
    wakes, sequence = [], len(plans)
    queue = [(nanoseconds(plan[0]), number, number, 1) for number, plan in enumerate(plans) if plan]
    heapq.heapify(queue)
    while queue:
        now_ns, _, number, done = heapq.heappop(queue)
        wakes.append((now_ns, number))
        sequence += 1
        if done < len(plans[number]):
            heapq.heappush(queue, (now_ns + nanoseconds(plans[number][done]), sequence, number, done + 1))
    return wakes


@given(plans=plans)
def test_sleepers_wake_by_rounded_time_then_by_sequence(plans: list[list[float]]) -> None:
    seen: list[tuple[int, int]] = []

    async def sleep(number: int) -> None:
        for delay in plans[number]:
            await asyncio.sleep(delay)
            seen.append((nanoseconds(asyncio.get_running_loop().time()), number))

    async def main() -> None:
        await asyncio.gather(*map(sleep, range(len(plans))))

    run(main())
    assert seen == predict_wakes(plans)


@given(timers=timers)
def test_cancelled_timers_neither_fire_nor_move_time(timers: list[tuple[float, bool, float]]) -> None:
    seen: list[int] = []
    with contextlib.closing(VirtualTimeLoop()) as loop:
        handles = [loop.call_later(delay, seen.append, number) for number, (delay, _, _) in enumerate(timers)]
        for handle, (_, cancelled, cancel_late_at) in zip(handles, timers, strict=True):
            loop.call_later(cancel_late_at, loop.call_later(9, seen.append, -1).cancel)
            for _ in range(2 * cancelled):
                handle.cancel()
        with pytest.raises(SimulationDeadlock):
            loop.run_forever()
        for handle in handles:
            handle.cancel()
        assert loop.agenda._num_cancelled == loop.agenda._num_timers == len(loop.agenda._due) == 0
    kept = [
        (max(0, nanoseconds(d)), number) for number, (d, cancelled, _) in enumerate(timers) if not cancelled
    ]
    assert seen == [number for _, number in sorted(kept)]
    moved = [now_ns for now_ns, _ in kept] + [nanoseconds(cancel_late_at) for _, _, cancel_late_at in timers]
    assert nanoseconds(loop.time()) == max(moved, default=0)


async def cancel_timers(count: int) -> None:
    for _ in range(count):
        asyncio.get_running_loop().call_later(1000, print).cancel()


async def fail(delay: float, error: BaseException) -> None:
    await asyncio.sleep(delay)
    raise error


async def fail_tasks(count: int) -> None:
    for number in range(count):
        with pytest.raises(KeyError):
            await asyncio.create_task(fail(1, KeyError(number)))


@pytest.mark.parametrize("work", [cancel_timers, fail_tasks])
def test_memory_stays_flat(work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    async def main() -> int:
        await work(500)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await work(5_000)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        assert run(main()) < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("delay", "expected_ns"),
    [
        (1e-9, 1),
        (0.4e-9, 0),
        (1.6e-9, 2),
        (-5, 0),
        (1, 10**9),
        (Fraction(1, 3), 333_333_333),
        (10**6, 10**15),
    ],
)
def test_delays_round_to_nanoseconds(delay: Any, expected_ns: int) -> None:
    times: list[float] = []
    loop = VirtualTimeLoop()
    handle = loop.call_later(delay, lambda: times.append(loop.time()))
    loop.call_at(10**7, loop.stop)
    loop.run_forever()
    loop.close()
    assert times == [expected_ns / 1e9]
    assert handle.when() == (delay if delay < 0 else expected_ns / 1e9)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_a_time_that_is_not_finite_is_named(value: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for call in (loop.call_later, loop.call_at):
            with pytest.raises(ValueError, match=re.escape(repr(value))):
                call(value, print)

    run(main())


def test_what_is_due_queues_behind_what_is_ready() -> None:
    seen: list[str] = []
    loop = VirtualTimeLoop()
    loop.call_soon(seen.append, "a")
    loop.call_later(0, seen.append, "b")
    loop.call_soon(seen.append, "never").cancel()
    loop.call_at(-1, seen.append, "c")
    loop.call_soon(loop.stop)
    loop.call_soon(loop.call_soon, seen.append, "next run")
    loop.call_soon(seen.append, "d")
    loop.run_forever()
    assert seen == ["a", "b", "c", "d"]
    loop.stop()
    loop.run_forever()
    assert seen[4:] == ["next run"]
    loop.stop()
    loop.run_forever()
    loop.close()
    for schedule in (loop.call_soon, lambda callback: loop.call_later(1, callback)):
        with pytest.raises(RuntimeError, match="closed"):
            schedule(print)


async def queue() -> object:
    items: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    trace: list[object] = []

    async def produce() -> None:
        for item in range(5):
            await items.put(item)
            trace.append(f"put {item}")

    async def consume() -> None:
        for _ in range(5):
            trace.append(await items.get())
            await asyncio.sleep(0.001)

    await asyncio.gather(produce(), consume())
    return trace


async def timeouts() -> object:
    trace: list[object] = []
    for limit in (0, 0.01, 5, None):
        try:
            trace.append(await asyncio.wait_for(asyncio.sleep(0.05, "slept"), limit))
        except TimeoutError:
            trace.append("wait_for")
        try:
            async with asyncio.timeout(limit):
                trace.append(await asyncio.sleep(0.05, "slept"))
        except TimeoutError:
            trace.append("timeout")
    return trace


async def task_group() -> object:
    trace: list[object] = []

    async def member(name: str, delay: float) -> None:
        try:
            await fail(delay, KeyError(name))
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            trace.append(f"{name} cleaned up")
            raise

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(member("slow", 1))
            group.create_task(member("fast", 0.01))
    except* KeyError as failures:
        trace.append(repr(failures.exceptions))
    return trace


async def locks() -> object:
    trace: list[object] = []
    lock, condition, gate, slots = asyncio.Lock(), asyncio.Condition(), asyncio.Event(), asyncio.Semaphore(2)

    async def work(number: int) -> None:
        await gate.wait()
        async with slots, lock:
            await asyncio.sleep(0)
            trace.append(number)
        async with condition:
            await condition.wait()
            trace.append(f"notified {number}")

    workers = [asyncio.create_task(work(number)) for number in range(4)]
    gate.set()
    await asyncio.sleep(0.05)
    async with condition:
        condition.notify_all()
    await asyncio.wait(workers)
    return trace


async def cancellation() -> object:
    async def stubborn() -> object:
        try:
            return await asyncio.sleep(9, "slept")
        except asyncio.CancelledError as error:
            return error.args

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel("please")
    shielded = asyncio.create_task(asyncio.sleep(0.01, "shielded"))
    outer = asyncio.ensure_future(asyncio.shield(shielded))
    outer.cancel()
    results = await asyncio.gather(task, outer, shielded, return_exceptions=True)
    tasks = [asyncio.create_task(asyncio.sleep(place / 50, place)) for place in (3, 1, 2)]
    return repr(results), [await first for first in asyncio.as_completed(tasks)]


async def contexts() -> object:
    variable = contextvars.ContextVar("variable", default="outside")
    context, seen = contextvars.copy_context(), asyncio.Queue[str]()
    context.run(variable.set, "inside")
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: seen.put_nowait(variable.get()), context=context)
    loop.call_later(0.01, lambda: seen.put_nowait(variable.get()))
    loop.call_at(loop.time() + 0.05, lambda: seen.put_nowait(variable.get()), context=context)
    return [await seen.get() for _ in range(3)], asyncio.current_task() in asyncio.all_tasks()


@pytest.mark.parametrize("program", [queue, timeouts, task_group, locks, cancellation, contexts])
def test_programs_give_what_they_give_on_the_stock_loop(program: Program) -> None:
    expected = asyncio.run(program())
    assert run(program()) == expected
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(program()) == expected


async def tokens(gate: asyncio.Event) -> AsyncIterator[int]:
    await gate.wait()
    yield 1


async def read(gate: asyncio.Event) -> None:
    async for _ in tokens(gate):
        pass


def test_a_deadlock_lists_who_awaits_what() -> None:
    async def main() -> None:
        await asyncio.sleep(1.5)
        reader = asyncio.create_task(read(asyncio.Event()), name="reader")
        asyncio.create_task(asyncio.Queue[int]().get()).set_name("forgotten")
        asyncio.create_task(fail(0, KeyError("cause"))).set_name("broken")
        await asyncio.shield(reader)

    with pytest.raises(SimulationDeadlock) as caught:
        run(main())
    first, *lines = str(caught.value).splitlines()
    assert first == "nothing is runnable and no timer is set at 1.500000000 s; open tasks:"
    here = rf"\({re.escape(__file__)}:\d+\)"
    expected = [
        rf"  'main': \S+main {here} awaits Future",
        rf"  'reader': read {here} > tokens {here} > Event.wait \(\S+/asyncio/locks\.py:\d+\) awaits Future",
        r"  'forgotten': Queue.get \(\S+/asyncio/queues\.py:\d+\) awaits Future",
        r"  'broken':  failed: KeyError\('cause'\)",
    ]
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


async def await_each_other() -> None:
    async def wait_for(task: Awaitable[object] | None) -> None:
        assert task is not None
        await task

    await wait_for(asyncio.create_task(wait_for(asyncio.current_task()), name="child"))


async def leave_a_circle() -> None:
    asyncio.create_task(await_each_other()).set_name("main")
    await asyncio.sleep(1)


@pytest.mark.parametrize("program", [await_each_other, leave_a_circle])
def test_tasks_that_await_each_other_are_a_deadlock(program: Program) -> None:
    circle = r"(?s)'main': .* awaits task 'child'\n.*'child': .* awaits task 'main'"
    with pytest.raises(SimulationDeadlock, match=circle):
        run(program())
    gc.collect()  # asyncio logs that the tasks die pending: here, not in another test


async def poll() -> None:
    for _ in range(1000):
        await asyncio.sleep(0)


async def chain() -> None:
    def again() -> None:
        asyncio.get_running_loop().call_soon(again)

    again()
    await asyncio.sleep(1)


@pytest.mark.parametrize(("spin", "state"), [(poll, "is ready to run"), (chain, "awaits Future")])
def test_a_livelock_is_an_error(spin: Program, state: str) -> None:
    message = (
        rf"(?s)max_callbacks_per_instant=100 passed at 0.000000000 s.*'main': {spin.__name__} .* {state}$"
    )
    with pytest.raises(SimulationLivelock, match=message):
        run(spin(), loop=VirtualTimeLoop(max_callbacks_per_instant=100))


def test_callbacks_are_counted_per_instant() -> None:
    async def main() -> None:
        for _ in range(100):
            await asyncio.sleep(1)

    run(main(), loop=VirtualTimeLoop(max_callbacks_per_instant=5))


VIRTUAL = (
    "call_at call_later call_exception_handler call_soon call_soon_threadsafe close create_future "
    "default_exception_handler get_debug get_exception_handler get_task_factory is_closed is_running stop "
    "run_forever run_until_complete set_debug set_exception_handler shutdown_asyncgens create_task time "
    "shutdown_default_executor"
)
LIVE = sorted({name for name in dir(asyncio.AbstractEventLoop) if name[0] != "_"} - set(VIRTUAL.split()))


@pytest.mark.parametrize("name", LIVE)
def test_the_loop_refuses_what_belongs_to_the_live_world(name: str) -> None:
    message = rf"^{name}\(\) is not available in virtual time: \w+ \w+"
    with contextlib.closing(VirtualTimeLoop()) as loop, pytest.raises(SimulationForbidden, match=message):
        getattr(loop, name)(None)


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (lambda: asyncio.to_thread(print), "run_in_executor"),
        (lambda: asyncio.open_connection("localhost", 1), "create_connection"),
        (lambda: asyncio.start_server(print, "localhost", 0), "create_server"),
        (lambda: asyncio.create_subprocess_exec("true"), "subprocess_exec"),
    ],
)
def test_what_asyncio_builds_on_it_is_refused_too(program: Program, name: str) -> None:
    with pytest.raises(SimulationForbidden, match=name):
        run(program())


def test_only_the_thread_of_the_loop_may_schedule() -> None:
    refusals: list[str] = []

    def intrude(loop: asyncio.AbstractEventLoop) -> None:
        with pytest.raises(SimulationForbidden) as caught:
            loop.call_soon_threadsafe(print)
        refusals.append(str(caught.value))

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        thread = threading.Thread(target=intrude, args=(loop,))
        thread.start()
        thread.join()
        loop.call_soon_threadsafe(done.set)
        await done.wait()

    run(main())
    assert "another thread" in refusals[0]


def test_failures_that_nobody_looked_at_are_raised_at_the_end() -> None:
    async def main() -> None:
        asyncio.create_task(fail(1, KeyError("unseen"))).set_name("early")
        asyncio.create_task(fail(1, KeyError("cancelled"))).cancel()
        await asyncio.gather(fail(1, KeyError("looked at")), return_exceptions=True)
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await fail_tasks(200)

    with pytest.raises(SimulationError) as caught:
        run(main())
    _, first, second = str(caught.value).splitlines()
    assert "Exception in callback" in first
    assert second == "  task 'early': KeyError('unseen')"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("error", [ValueError("main"), SystemExit(3), asyncio.CancelledError()])
def test_what_main_raises_propagates(error: BaseException) -> None:
    async def main() -> None:
        asyncio.create_task(fail(1, KeyError("background"))).set_name("helper")
        await fail(2, error)

    loop = VirtualTimeLoop()
    with pytest.raises(type(error)):
        run(main(), loop=loop)
    assert loop.is_closed()


def test_leftovers_end_in_creation_order_then_generators_close() -> None:
    seen: list[object] = []

    async def linger(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            seen.append((number, asyncio.get_running_loop().time()))
            if number == 1:
                asyncio.create_task(linger(99)).set_name("late")

    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            seen.append("closed")

    async def main() -> AsyncIterator[int]:
        for number in range(40):
            asyncio.create_task(linger(number)).set_name("leftover")
        opened = stream()
        await anext(opened)
        return opened

    opened = run(main())
    assert seen == [*((number, 1.0) for number in range(40)), (99, 2.0), "closed"]
    del opened


def test_a_simulation_does_not_start_inside_a_running_loop() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="running event loop"):
            run(asyncio.sleep(1))

    run(main())


TRACE = """
import asyncio, random, sys
from weft.simulator.virtual_time import run

async def member(number):
    try:
        await asyncio.sleep(number % 7 / 10)
        if number == 3:
            raise KeyError(number)
    except asyncio.CancelledError:
        print("cancelled", number, asyncio.current_task().get_name())
        raise

async def main():
    clutter = []
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(200):
                group.create_task(member(number))
                stream = random.Random(f"{sys.argv[1]} {number}")
                clutter.extend(bytes(stream.randrange(500)) for _ in range(20))
    except* KeyError:
        pass
    done, _ = await asyncio.wait([asyncio.create_task(member(number)) for number in range(40, 90)])
    print([task.get_name() for task in done])

run(main())
"""


def test_neither_hash_seed_nor_addresses_change_a_run() -> None:
    def trace(seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", TRACE, seed]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    first = trace("1")
    assert first.count(b"cancelled") > 50
    assert trace("2") == first
