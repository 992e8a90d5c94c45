"""What this process may use: memory and processors by its control groups, not by what the host has."""

import os
from pathlib import Path

ROOT = Path("/")
_UNLIMITED = 1 << 60
"""Version 1 of control groups writes "no limit" as a number near 2^63."""


def available_memory_bytes(root: Path = ROOT) -> int:
    """Memory that could be taken now without swapping: of the host, and under every group that holds us."""
    found = [_host_available_bytes(root)]
    for directory in _groups(root, "memory"):
        limit = _first_number(directory, "memory.max", "memory.limit_in_bytes")
        used = _first_number(directory, "memory.current", "memory.usage_in_bytes")
        if limit is not None and used is not None and limit < _UNLIMITED:
            # Cached files count as used, but the kernel gives them up before anything else.
            found.append(limit - used + _inactive_file_bytes(directory))
    return max(0, min(found))


def available_processors(root: Path = ROOT) -> int:
    """Processors that this process may keep busy: by affinity and by quota, at least 1."""
    found = float(len(os.sched_getaffinity(0)))
    quota = processor_quota(root)
    return max(1, int(found if quota is None else min(found, quota)))


def processor_quota(root: Path = ROOT) -> float | None:
    """The share of processors that the tightest group leaves us: 1.5 is one and a half; None without a limit."""
    return min(filter(None, map(_quota, _groups(root, "cpu"))), default=None)


def memory_limit_bytes(root: Path = ROOT) -> int | None:
    """What the tightest group lets us use altogether, or None without a limit."""
    limits = [
        _first_number(directory, "memory.max", "memory.limit_in_bytes")
        for directory in _groups(root, "memory")
    ]
    return min((limit for limit in limits if limit is not None and limit < _UNLIMITED), default=None)


def total_memory_bytes(root: Path = ROOT) -> int | None:
    """Of the host, or None where it does not say."""
    return _meminfo_bytes(root, "MemTotal")


def _host_available_bytes(root: Path) -> int:
    available = _meminfo_bytes(root, "MemAvailable")
    return _UNLIMITED if available is None else available


def _meminfo_bytes(root: Path, wanted: str) -> int | None:
    for line in (root / "proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == wanted:
            return int(rest.split()[0]) * 1024
    return None


def _groups(root: Path, controller: str) -> list[Path]:
    """Directories of the groups of this process for a controller, innermost first."""
    mount = root / "sys/fs/cgroup"
    directories: list[Path] = []
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = mount / controller if controllers else mount
        relative = Path(path.lstrip("/"))
        # Inside a container the path may be the host's, of which only the root is mounted.
        directories += [base / parent for parent in (relative, *relative.parents)]
    return [directory for directory in dict.fromkeys(directories) if directory.is_dir()]


def _quota(directory: Path) -> float | None:
    modern = _lines(directory / "cpu.max")
    if modern:
        quota, period = modern[0].split()
        return None if quota == "max" else int(quota) / int(period)
    legacy = [_first_number(directory, f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    if legacy[0] is None or legacy[1] is None or legacy[0] < 0:
        return None
    return legacy[0] / legacy[1]


def _inactive_file_bytes(directory: Path) -> int:
    for line in _lines(directory / "memory.stat"):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _first_number(directory: Path, *names: str) -> int | None:
    for name in names:
        lines = _lines(directory / name)
        if lines and lines[0] != "max":
            return int(lines[0])
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
