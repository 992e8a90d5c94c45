"""Processes that are measured from outside, as the kernel counts for them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from weft.contracts.errors import ConfigurationError

STOP_S = 30


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process so far, threads included: processor time (to 10 ms), and resident memory now."""

    cpu_s: float
    resident_bytes: int


def usage(process: "subprocess.Popen[str]") -> Usage:
    """Raises `ConfigurationError` where the system does not tell."""
    return usage_of(process.pid)


def usage_of(process_id: int) -> Usage:
    """Raises `ConfigurationError` where the system does not tell."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        raise ConfigurationError(
            f"/proc/{process_id}/stat cannot be read; this needs Linux, and a process that stays up"
        ) from None
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


@contextmanager
def running(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A module of ours in a process of its own, its output as a pipe; stopped at the end."""
    process = subprocess.Popen(_command(module, arguments), stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=STOP_S)


def line_with(process: "subprocess.Popen[str]", text: str = "") -> str:
    """The next line of its output that holds this. Raises `ConfigurationError` where it ends before."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line
    raise ConfigurationError("the server ended before it was ready; what it says above is why")


def output_of(module: str, *arguments: str) -> str:
    """What a module of ours prints. Raises `ConfigurationError` where it fails."""
    ended = subprocess.run(_command(module, arguments), stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        raise ConfigurationError(f"{module} ended with status {ended.returncode}; what it says above is why")
    return ended.stdout


def _command(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
