"""Workloads by name or path: what `--workload` means."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from weft.workloads.checks import check_rate
from weft.workloads.errors import WorkloadError, shown
from weft.workloads.fitted import NAMES, fitted_workload
from weft.workloads.formats.format import Encode
from weft.workloads.limits import Limited
from weft.workloads.scaling import Scaled
from weft.workloads.servegen import ServeGenWorkload
from weft.workloads.sessions import Workload
from weft.workloads.trace import TraceWorkload, mean_rate_per_s


def find_workload(
    name_or_path: str,
    rate_per_s: float | None = None,
    seed: int = 0,
    num_requests: int | None = None,
    duration_s: float | None = None,
    encode: Encode | None = None,
) -> Workload:
    """A named workload, a trace file, or a ServeGen directory (`path:model`).

    `rate_per_s`: requests per second on average, in place of the workload's own; the pattern in time stays
    (a trace is scaled by TraceUpscaler). Generated workloads have no end: bound them by `num_requests` or
    `duration_s`. `encode`: the tokenizer for files of text. Raises `WorkloadError` (`TraceError` for a file)
    or `ConfigurationError`.
    """
    if rate_per_s is not None:
        check_rate(rate_per_s)
    workload = _found(name_or_path, rate_per_s, seed, encode)
    if num_requests is None and duration_s is None:
        return workload
    return Limited(workload, num_requests, duration_s)


def _found(name_or_path: str, rate_per_s: float | None, seed: int, encode: Encode | None) -> Workload:
    if name_or_path in NAMES:
        fitted = fitted_workload(name_or_path, seed)
        return fitted if rate_per_s is None else fitted.at_rate(rate_per_s)
    path = Path(name_or_path)
    if _exists(path.is_file):
        return _trace(path, rate_per_s, seed, encode)
    directory, separator, model = name_or_path.rpartition(":")
    if separator and _exists(Path(directory).is_dir):
        servegen = ServeGenWorkload(Path(directory), model, seed)
        return servegen if rate_per_s is None else servegen.at_rate(rate_per_s)
    raise WorkloadError(_unknown(name_or_path))


def _trace(path: Path, rate_per_s: float | None, seed: int, encode: Encode | None) -> Workload:
    trace = TraceWorkload(path, rate_per_s, encode, seed)
    if rate_per_s is None or not trace.is_timed:
        return trace
    return Scaled(trace, rate_per_s / mean_rate_per_s(trace), seed=seed)


def _exists(check: Callable[[], bool]) -> bool:
    """Whether a path is there; a name that no file could have is no file."""
    try:
        return check()
    except OSError:
        return False


def _unknown(name: str) -> str:
    if _exists(Path(name).is_dir):
        return (
            f"workload {name!r} is a directory; give a trace file, or DIRECTORY:MODEL for ServeGen's tables"
        )
    nearest = get_close_matches(name, NAMES, n=1)
    if nearest:
        return f"workload {shown(name)} is unknown; did you mean {nearest[0]}?"
    return f"workload {shown(name)} is no file and no name; choose from {', '.join(NAMES)}, or give the path of a trace"
