"""What runs in the process of a replica: `python -m MODULE FD`, where `MODULE` calls `run_replica`.

`FD` is a socket. The router's side sends a description on it, in JSON, and frames from then on. The process ends with
this stream, and so with whoever started it.
"""

import asyncio
import ctypes
import signal
import socket
import sys

from weft.cluster.framing import FrameStream
from weft.cluster.hosting import HostedActor, MakeReplica

PR_SET_PDEATHSIG = 1
"""Linux: prctl(2)."""


def run_replica(make: MakeReplica) -> None:
    """Be the replica that the process's starter describes, until the stream from there ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            number, signal.SIG_IGN
        )  # sent to all of a terminal or service: the router says when its replicas end
    _end_with_starter()
    connected = socket.socket(fileno=int(sys.argv[1]))
    connected.set_inheritable(False)
    asyncio.run(_run(make, connected))


def _end_with_starter() -> None:
    """Also where this process is stopped or busy then. On other systems than Linux only the end of the stream tells."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def _run(make: MakeReplica, connected: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    is_over: asyncio.Future[None] = loop.create_future()

    def end(problem: BaseException | None) -> None:
        if is_over.done():
            return
        if problem is None or isinstance(problem, OSError):
            is_over.set_result(None)
        else:
            is_over.set_exception(problem)

    hosted = HostedActor(make, lambda data: stream.send(data), end)
    stream = FrameStream(hosted.take, end)
    await loop.create_connection(lambda: stream, sock=connected)
    try:
        await is_over
    finally:
        hosted.close()
