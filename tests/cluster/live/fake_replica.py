"""The process of a replica with the fake model on the real clock, and processes that do not behave."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from tests.cluster.small_cluster import Replica
from weft.cluster.hosting import Description
from weft.cluster.messages import Frame
from weft.cluster.process_main import run_replica
from weft.cluster.timing import Timing
from weft.contracts.errors import ConfigurationError


async def make(
    name: str, incarnation: int, send: Callable[[Frame], object], description: Description
) -> Replica:
    """`description`: the time of a step in seconds, of `Timing`, and what is wrong."""
    match description.get("wrong"):
        case "no model":
            raise ConfigurationError("there is no such model")
        case "defect":
            raise RuntimeError("this is a defect")
        case "slow":
            await asyncio.sleep(0.5)
        case "stays":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            asyncio.get_running_loop().create_task(_stay())
    print(f"incarnation {incarnation} of {name}", flush=True)
    settings = {"executor": {"step_s": description["step_s"]}, "num_blocks": 512}
    return Replica(incarnation, send, Timing(**description["timing"]), settings)


async def _stay() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60.0)


def babble(data: bytes) -> None:
    """Send that in place of frames."""
    connected = socket.socket(fileno=int(sys.argv[-1]))
    connected.sendall(data)
    connected.recv(1 << 20)
    connected.recv(1)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        babble(bytes.fromhex(sys.argv[1]))
    else:
        run_replica(make)
