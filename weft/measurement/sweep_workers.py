"""Simulations side by side, each in a process of its own. How many processes there are changes no result."""

import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple, TypeVar

from weft.contracts.errors import WeftError

DIED = (
    "a process of the sweep died; use fewer processes if memory is short, and in a script of your own guard what it "
    'runs by `if __name__ == "__main__":`'
)


class SweepError(WeftError):
    """A point of a sweep cannot be simulated. Names the point."""


class Point(NamedTuple):
    """One simulation: what tells it from others, such as the values that were swept, and its arguments by name."""

    at: Mapping[str, float | str]
    arguments: Mapping[str, Any]


class _Failure(NamedTuple):
    """An exception, as text: those with arguments of their own do not survive the way between processes."""

    message: str
    is_mistake: bool


Ended = Callable[[], None]
Result = TypeVar("Result")
RunAll = Callable[[Sequence[Point]], list[Result]]


@contextmanager
def workers(num_processes: int, ended: Ended, run: Callable[..., Result]) -> Iterator[RunAll[Result]]:
    """What runs points and returns their results in the same order; `ended` is told of each point that is over, `run`
    is called with the arguments of each.

    One process: this one. More are started afresh and need nothing of this one but what can be pickled; they end with
    the context, at once where an exception leaves it. Raises `SweepError` for a mistake in a point and for a process
    that died; RuntimeError, with its traceback, for any other failure.
    """
    if num_processes == 1:
        yield lambda points: _run_here(run, points, ended)
        return
    others = active_children()
    pool = ProcessPoolExecutor(num_processes, get_context("spawn"), initializer=_end_silently)
    try:
        yield lambda points: _run_there(pool, run, points, ended)
    except BaseException:
        for process in active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _end_silently() -> None:
    """Ctrl-C reaches all processes of a terminal; one of them tells of it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run_here(run: Callable[..., Result], points: Sequence[Point], ended: Ended) -> list[Result]:
    results = []
    for point in points:
        results.append(_checked(point, _run(run, point)))
        ended()
    return results


def _run_there(
    pool: ProcessPoolExecutor, run: Callable[..., Result], points: Sequence[Point], ended: Ended
) -> list[Result]:
    _check_sendable(points[0])
    futures = {pool.submit(_run, run, point): index for index, point in enumerate(points)}
    outcomes: dict[int, Result | _Failure] = {}
    results: list[Result] = []
    for future in as_completed(futures):
        outcomes[futures[future]] = _received(future)
        ended()
        while (index := len(results)) in outcomes:  # in order, so that of two mistakes the first is told
            results.append(_checked(points[index], outcomes[index]))
    return results


def _check_sendable(point: Point) -> None:
    try:
        ForkingPickler.dumps(point)
    except Exception as error:
        raise SweepError(
            f"an argument cannot be sent to another process ({error}); give names, or use one process"
        ) from None


def _received(future: "Future[Result | _Failure]") -> Result | _Failure:
    try:
        return future.result()
    except BrokenProcessPool:
        raise SweepError(DIED) from None


def _run(run: Callable[..., Result], point: Point) -> Result | _Failure:
    try:
        return run(**point.arguments)
    except WeftError as error:
        return _Failure(str(error), is_mistake=True)
    except Exception:
        return _Failure(traceback.format_exc(), is_mistake=False)


def _checked(point: Point, outcome: Result | _Failure) -> Result:
    if not isinstance(outcome, _Failure):
        return outcome
    if outcome.is_mistake:
        raise SweepError(f"{described(point.at)}: {outcome.message}")
    raise RuntimeError(f"the simulation of {described(point.at)} failed:\n{outcome.message}")


@contextmanager
def naming(at: Mapping[str, float | str]) -> Iterator[None]:
    """Mistakes of a point, with its values."""
    try:
        yield
    except WeftError as error:
        raise SweepError(f"{described(at)}: {error}") from error


def described(at: Mapping[str, float | str]) -> str:
    """The values of a point in words."""
    return ", ".join(f"{name}={shown(value)}" for name, value in at.items())


def shown(value: float | str) -> str:
    """All digits of a whole number, and those of others that anybody reads."""
    return f"{value:g}" if isinstance(value, float) else str(value)
