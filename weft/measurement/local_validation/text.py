"""A validation on this machine, for reading."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from weft.measurement.local_validation.comparing import Compared
from weft.measurement.local_validation.results import LocalValidation

HEAD = f"{'load':>6}  {'figure':<16} {'live':>10} {'simulated':>10} {'error':>8}"


def describe_validation(found: LocalValidation) -> list[str]:
    """Lines: what was run, a table, and the errors in short."""
    profile, num_runs = found.profile, len(found.runs)
    num_capped, num_requests = (
        sum(run.num_capped for run in found.runs),
        sum(run.num_requests for run in found.runs),
    )
    lines = [
        f"profile    {profile.profile}; steps within {profile.relative_error:.1%} (four fifths of those held out)",
        f"knee       {found.knee_per_s:.4g} requests/s",
        f"slowdowns  steps took {_range(run.slowdown for run in found.runs)} times as long as in the profile, those of "
        f"probes {_range(each for run in found.runs for each in run.slowdowns)}",
        f"runs       {num_runs}, {sum(found.flipped)} with a flipped probe; {num_capped} of {num_requests} requests "
        "cut to the context",
        *_table(found, flipped=False),
    ]
    if any(found.flipped):
        lines += ["runs with a flipped probe:", *_table(found, flipped=True)]
    if found.errors:
        lines += [
            f"error      {_in_short(found.errors)}",
            f"           {_in_short(found.as_calibrated_errors)}, were nothing known of probes",
            f"           {_in_short(found.known_speed_errors)}, were it known how fast the machine is in each run",
        ]
    replayed = max(run.replay_error for run in found.runs)
    num_equal = sum(run.replay_is_equal for run in found.runs)
    lines.append(
        f"replayed   worst {replayed:.2%} with the live durations; steps equal in {num_equal} of {num_runs}"
    )
    return lines


def _range(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{found[0]:.3f} to {found[-1]:.3f}"


def _in_short(errors: Sequence[float]) -> str:
    return f"median {median(errors):.1%}, worst {max(errors):.1%}"


def _table(found: LocalValidation, *, flipped: bool) -> Iterator[str]:
    yield HEAD
    for load in found.settings.loads:
        for name, figure in found.compared(load, flipped=flipped).items():
            yield _row(load, name, figure)


def _row(load: float, name: str, figure: Compared) -> str:
    """Latencies in milliseconds."""
    is_latency = name.split()[0] in ("ttft", "tpot", "e2e")
    factor, shown = (1e3, f"{name} ms") if is_latency else (1.0, name)
    return (
        f"{load:>6.0%}  {shown:<16} {factor * figure.live:>10.2f} {factor * figure.simulated:>10.2f} "
        f"{figure.error:>+8.1%}"
    )
