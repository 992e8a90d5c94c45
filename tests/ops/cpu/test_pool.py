"""The pool of threads: as many as asked, work when some of them do not run, and after a fork."""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.ops.cpu.layers import example, numbers
from weft.measurement.kernel_contention import busy_process
from weft.ops.cpu.library import kernels
from weft.ops.cpu.products import Products


def threads() -> set[str]:
    return {task.name for task in Path("/proc/self/task").iterdir()}


def gone(ids: set[str], patience_s: float = 10.0) -> bool:
    """Whether these threads end: the system lists one that was joined for a moment still."""
    deadline_s = time.monotonic() + patience_s
    while ids & threads():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.001)
    return True


@pytest.mark.parametrize("count", [1, 2, 4])
def test_no_more_threads_than_asked(count: int) -> None:
    before = threads()
    products = Products(count)
    started = threads() - before
    assert len(started) == count - 1
    del products
    assert gone(started)


def test_callers_from_several_threads_get_their_own_results() -> None:
    products, made = Products(2), example("int4-32", numbers(400, 256))
    inputs = [numbers(rows, 256, seed=rows) for rows in (1, 5, 40)]
    expected = [products(x_TI, made.packed) for x_TI in inputs]
    failures: list[int] = []

    def call(index: int) -> None:
        for _ in range(200):
            if not torch.equal(products(inputs[index], made.packed), expected[index]):
                failures.append(index)

    run_together([partial(call, index) for index in range(3)])
    assert not failures


def run_together(functions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


MS = 1_000_000
A_SLICE = 3 * MS
"""What a system gives a process at a time: losing it is more than chance."""


def test_a_stall_soon_after_another_costs_twice_the_time() -> None:
    contention = kernels().Contention()
    assert not contention.alone(0)
    now, lasting = 0, []
    for _ in range(10):
        contention.lost(now, A_SLICE)
        lasting.append(next(after for after in range(1, 2000) if not contention.alone(now + after * MS)))
        now += (lasting[-1] + 10) * MS
    assert lasting == [4, 8, 16, 32, 64, 128, 256, 512, 512, 512]
    contention.lost(now + 100 * MS, A_SLICE)
    assert contention.alone(now + 103 * MS)
    assert not contention.alone(now + 104 * MS)


@pytest.mark.parametrize(("share", "is_borne"), [(0.05, True), (0.2, True), (0.35, False), (0.5, False)])
def test_up_to_a_quarter_of_the_time_may_be_lost_in_small_pieces(share: float, is_borne: bool) -> None:
    contention = kernels().Contention()
    for now in range(MS, 1000 * MS, MS):
        contention.lost(now, int(share * MS))
        if contention.alone(now):
            assert not is_borne
            return
    assert is_borne


def test_results_stay_the_same_beside_a_busy_process() -> None:
    products, made = Products(2), example("int4-32", numbers(2000, 256))
    x_TI = numbers(9, 256)
    expected = products(x_TI, made.packed)
    with busy_process(os.sched_getaffinity(0)), busy_process(os.sched_getaffinity(0)):
        assert all(torch.equal(products(x_TI, made.packed), expected) for _ in range(300))


def test_a_fork_computes_on_without_the_other_threads() -> None:
    products, made = Products(3), example("int8", numbers(500, 128))
    x_TI = numbers(20, 128)
    expected = products(x_TI, made.packed)
    for _ in range(20):  # the others may be anywhere: busy, waiting, or about to sleep
        assert torch.equal(products(x_TI, made.packed), expected)
        child = os.fork()
        if child == 0:  # nothing that raises may reach the test's own frames
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            same = torch.equal(products(x_TI, made.packed), expected)
            del products
            os._exit(0 if same else 1)
        assert os.waitpid(child, 0)[1] == 0
