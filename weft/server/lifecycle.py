"""From a socket to the end of the process: listening, loading, serving, draining."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from weft.contracts.errors import ConfigurationError
from weft.llm.async_llm import AsyncLLM
from weft.server.app import make_app
from weft.server.state import Phase, ServerState

log = logging.getLogger("weft.server")

BACKLOG = 2048
"""Connections that the kernel keeps while the loop is busy: uvicorn's own figure."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free. Raises `ConfigurationError` where that cannot be.

    Listening begins before the model is loaded, so that a port in use is found at once.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigurationError(f"host {host!r} has no address ({error.strerror}); try 127.0.0.1") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host} port {port} ({error.strerror}); choose another with --port, or --port 0 "
            "for any that is free"
        ) from None
    return listener


KEEP_ALIVE_S = 75
"""For idle connections, as nginx: clients that reuse theirs seldom find them closed under a request."""
LINGER_S = 5
"""For connections to close once nothing is in progress any more: a client may be slow to read its last answer."""


class _Server(uvicorn.Server):
    """Leaves signals to us: the first drains, which uvicorn does not do."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    listener: socket.socket,
    state: ServerState,
    load: Callable[[], AsyncLLM],
    on_ready: Callable[[AsyncLLM], None] = lambda llm: None,
) -> None:
    """Serve on this socket until drained. `load` runs in a thread meanwhile; `on_ready` is told of its end.

    SIGTERM and SIGINT drain where this runs in the main thread, a second one ends the process at once. Raises
    what `load` raises.
    """
    server = _http_server(make_app(state))
    if threading.current_thread() is threading.main_thread():
        _drain_on_signals(state)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    llm: AsyncLLM | None = None
    try:
        llm = await _in_thread(load)
        state.model_is_ready(llm)
        on_ready(llm)
        await asyncio.wait(
            (serving, drained := asyncio.ensure_future(state.drained.wait())),
            return_when=asyncio.FIRST_COMPLETED,
        )
        drained.cancel()
    finally:
        server.should_exit = True
        await serving
        if llm is not None:
            await llm.close()


def _http_server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=LINGER_S,
        )
    )


async def _in_thread(load: Callable[[], AsyncLLM]) -> AsyncLLM:
    """As `asyncio.to_thread`, but the end of the process does not wait for the thread."""
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[AsyncLLM] = loop.create_future()

    def run() -> None:
        try:
            llm = load()
        except BaseException as error:
            loop.call_soon_threadsafe(loaded.set_exception, error)
        else:
            loop.call_soon_threadsafe(loaded.set_result, llm)

    threading.Thread(target=run, name="weft-load", daemon=True).start()
    return await loaded


def _drain_on_signals(state: ServerState) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _on_signal, state, number)


def _on_signal(state: ServerState, number: int) -> None:
    if state.phase is Phase.DRAINING:
        _leave(128 + number)
    if state.phase is Phase.LOADING:
        _leave(0)  # nothing is under way, and a checkpoint that is half read cannot be interrupted otherwise
    log.info("draining: %d in progress; a second signal stops at once", state.num_in_progress)
    state.drain()


def _leave(code: int) -> None:
    """End the process without waiting for threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
