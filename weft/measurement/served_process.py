"""`weft serve` in a process of its own, for measurements from outside."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from weft.contracts.errors import WeftError

READY = re.compile(rb"^ready after .*: http://.*:(\d+)$")
ANSWERED = re.compile(rb" (\d{3}) ([\d.]+) ms$", re.MULTILINE)
"""A line of the server's log per request: status and milliseconds from when its head was read to its last byte."""


class ServedProcess:
    """`port`: where it listens. `log`: the file of its log."""

    def __init__(self, port: int, log: Path) -> None:
        self.port, self._log = port, log

    def took_ms(self, status: int) -> list[float]:
        """Of requests with this status so far, by the server's own clock."""
        found = ANSWERED.findall(self._log.read_bytes())
        return [float(took) for told, took in found if int(told) == status]


@asynccontextmanager
async def served(model: str, *flags: str) -> AsyncIterator[ServedProcess]:
    """Up while the context lasts. Raises `WeftError` where it does not start."""
    with TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        command = [sys.executable, "-m", "weft.cli.main", "serve", model, "--port", "0", *flags]
        with log.open("wb") as written:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=written
            )
        try:
            port = await _port(process)
            if port is None:
                raise WeftError(f"weft serve did not start: {_last_line(log)}")
            yield ServedProcess(port, log)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


async def _port(process: asyncio.subprocess.Process) -> int | None:
    assert process.stdout is not None
    async for line in process.stdout:
        if (found := READY.match(line.rstrip())) is not None:
            return int(found[1])
    return None


def _last_line(log: Path) -> str:
    lines: Sequence[str] = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
